"""Top shapes, memory, parameters and multiply-adds against Caffe's own logs and counts."""

import pytest

from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from tests.released import FACTS, architecture, released
from tools.reference_facts import shapes_digest


@pytest.mark.parametrize("name", FACTS["validated"])
def test_every_top_shape_and_the_memory_of_a_validation_log(name: str) -> None:
    summary = summarize(released(name))
    assert shapes_digest(summary.top_shapes) == FACTS["validated"][name]["tops"]
    assert summary.memory == FACTS["validated"][name]["memory"]


@pytest.mark.parametrize("name", FACTS["timed"])
def test_every_top_shape_and_the_memory_of_a_timing_log(name: str) -> None:
    """The logs are of `caffe time`: phase TRAIN, one image."""
    summary = summarize(generate(architecture(name), input_shape=(1, 3, 1024, 2048), merged=True), phase="TRAIN")
    assert shapes_digest(summary.top_shapes) == FACTS["timed"][name]["tops"]
    assert summary.memory == FACTS["timed"][name]["memory"]


@pytest.mark.parametrize("name", FACTS["parameters"])
def test_parameters_as_caffe_counts_them(name: str) -> None:
    given = {"data": (1, 3, 1024, 2048)} if "seg" in name else None
    assert summarize(released(name), input_shapes=given).parameters == FACTS["parameters"][name]


@pytest.mark.parametrize(("name", "millions"), [("df1", 746.73), ("df2", 1774.33), ("df2a", 1916.14)])
def test_multiply_adds_of_one_image(name: str, millions: float) -> None:
    summary = summarize(released(name), input_shapes={"data": (1, 3, 224, 224)})
    assert round(summary.multiply_adds / 1e6, 2) == millions
