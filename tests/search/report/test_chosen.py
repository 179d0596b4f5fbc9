"""Chosen networks told: as text, as a CSV, as a picture, as files."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from converters import load_weights, save_weights, to_torch, weights_of
from prototxt_gen import generate, read_prototxt, to_text
from prototxt_gen.errors import FileError
from search import choose, chosen_boundary, read_known
from search.report.chosen import Result, chosen_csv, chosen_table, draw_chosen, limit_words, write_chosen
from tests.search.strategies.small_table import SPACE, accuracy_table, energies, latency_table

TABLE, LATENCY = accuracy_table(3), latency_table(energy=energies())
SMALL, LARGE = choose(TABLE, LATENCY, {"latency": 1.0}), choose(TABLE, LATENCY)
RESULTS = [Result(SMALL, "at most 1 ms"), Result(LARGE, "none", 0.875, "fine-tuned")]


def test_a_table_says_what_is_expected_what_was_measured_and_what_it_costs():
    titles, *rows = (line.split("  ") for line in chosen_table(RESULTS).splitlines())
    titles, *rows = ([cell.strip() for cell in line if cell.strip()] for line in (titles, *rows))
    assert titles == [
        *("limits", "expected", "accuracy", "ms", "parameters", "multiply-adds", "memory (bytes)", "mJ", "architecture")
    ]
    assert rows[0][:2] == ["at most 1 ms", f"{SMALL.accuracy:.2%}"] and "87.50%" in rows[1]
    assert [row[-1] for row in rows] == [str(SMALL.architecture), str(LARGE.architecture)]
    assert f"{SMALL.costs['parameters']:,}" in rows[0]
    assert "accuracy" not in chosen_table(RESULTS[:1])


def test_a_csv_is_what_a_search_begins_with(tmp_path):
    path = tmp_path / "chosen.csv"
    path.write_text(chosen_csv(RESULTS))
    assert [(known.architecture, known.accuracy) for known in read_known(path)] == [
        (str(SMALL.architecture), pytest.approx(SMALL.accuracy, abs=1e-6)),
        (str(LARGE.architecture), 0.875),
    ]
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [line["source"] for line in lines] == ["expected by the table", "fine-tuned"]
    for line, chosen in zip(lines, (SMALL, LARGE), strict=True):
        assert float(line["expected"]) == pytest.approx(chosen.accuracy, abs=1e-6)
        for name, title in (("latency", "latency_ms"), ("energy", "energy_mj"), ("multiply-adds", "multiply_adds")):
            assert float(line[title]) == pytest.approx(chosen.costs[name], abs=1e-6)


def test_limits_in_words():
    limits = {"latency": 5.0, "multiply-adds": 300_000_000, "memory": 2000, "energy": 1.5}
    assert limit_words(limits) == "at most 5 ms, at most 300,000,000 multiply-adds, at most 2,000 bytes, at most 1.5 mJ"
    assert limit_words({}) == "none"


@pytest.mark.parametrize(("cost", "label"), [("latency", "latency, ms"), ("memory", "memory (bytes)")])
def test_the_picture_has_a_dot_for_each_network(tmp_path, monkeypatch, cost, label):
    figure = pytest.importorskip("matplotlib.figure")
    found = chosen_boundary(TABLE, LATENCY, cost)
    draw_chosen(found, cost, tmp_path / "boundary.png")
    assert Image.open(tmp_path / "boundary.png").size == (1200, 750)
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, *_, **__: drawn.append(self))
    draw_chosen(found, cost, tmp_path / "boundary.png")
    (axes,) = drawn[0].axes
    assert axes.get_xlabel() == label
    assert axes.collections[0].get_offsets().tolist() == [
        [one.costs[cost], pytest.approx(100 * one.accuracy)] for one in found
    ]


def test_files_without_weights_and_with_them(tmp_path):
    architecture, shape = SMALL.architecture, SPACE.input_shape
    deploy = generate(architecture, input_shape=shape)
    write_chosen(architecture, tmp_path / "net", shape)
    assert sorted(path.name for path in (tmp_path / "net").iterdir()) == ["deploy.prototxt", "merged.prototxt"]
    assert to_text(read_prototxt(tmp_path / "net" / "deploy.prototxt")) == to_text(deploy)
    merged = generate(architecture, input_shape=shape, merged=True)
    assert to_text(read_prototxt(tmp_path / "net" / "merged.prototxt")) == to_text(merged)

    write_chosen(architecture, tmp_path / "net", shape, weights=weights_of(to_torch(deploy)))
    own = load_weights(tmp_path / "net" / "weights.caffemodel", deploy)
    folded = load_weights(tmp_path / "net" / "merged.caffemodel", merged)
    import torch

    images = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    with torch.no_grad():
        one, other = (to_torch(net, blobs).eval()(images) for net, blobs in ((deploy, own), (merged, folded)))
    assert torch.allclose(one, other, atol=1e-5)
    write_chosen(architecture, tmp_path / "net", shape)  # the same network: its weights stay


def test_weights_of_another_network_are_not_left_beside_a_new_one(tmp_path):
    shape, other = SPACE.input_shape, generate(LARGE.architecture, input_shape=SPACE.input_shape)
    write_chosen(LARGE.architecture, tmp_path, shape, weights=weights_of(to_torch(other)))
    with pytest.raises(FileError, match=r"weights\.caffemodel, merged\.caffemodel of another network"):
        write_chosen(SMALL.architecture, tmp_path, shape)
    assert to_text(read_prototxt(tmp_path / "deploy.prototxt")) == to_text(other)
    small = generate(SMALL.architecture, input_shape=shape)
    write_chosen(SMALL.architecture, tmp_path, shape, weights=weights_of(to_torch(small)))
    assert set(load_weights(tmp_path / "weights.caffemodel", small))
    save_weights(load_weights(tmp_path / "weights.caffemodel", small), tmp_path / "again.caffemodel", small)
