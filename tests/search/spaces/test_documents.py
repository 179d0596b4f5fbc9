"""Spaces in YAML files: those of the package, there and back, and every fault with its line and field."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caffe_zoo.cards import card
from prototxt_gen.architectures import Unit
from prototxt_gen.errors import ArchitectureError, CaffeError, FileError, FormatError
from search.spaces import (
    PonasLayer,
    PonasSpace,
    TieredSpace,
    TieredStage,
    packaged_names,
    parse_space,
    read_space,
    write_space,
)
from search.spaces.ponas import candidates_of
from tests.search.spaces.test_decoders import SPACES as WITH_DECODERS
from tests.search.spaces.test_kinds import SPACES

HOLDS = {
    "df": ("df1", "df2"),
    "df-bottleneck": ("df2a",),
    "df-lite-seg": ("df-lite_seg",),
    "df-seg": ("df-lite_seg", "df1seg", "df2seg1", "df2seg2"),
    "df1-seg": ("df1seg",),
    "df2-seg": ("df2seg1", "df2seg2"),
    "pl1a": (),
    "pl1a-seg": ("pl1a_seg",),
    "ponas": ("ponas_a", "ponas_b", "ponas_c"),
    "ponas-small": (),
    "tiered": ("gpunet_p0", "gpunet_p1"),
    "tiered-small": (),
}

GOOD = """\
space: 1
backbone:
  family: df
  stem: [4, 8]
  widths: [8, 16]
  stages:
    - {block: basic, depth: [1, 2]}
    - {block: basic, depth: [1, 1], widths: [16]}
classes: 10
input_shape: [3, 64, 64]
"""

PONAS = """\
space: 1
ponas:
  stem: [8]
  layers:
    - {width: 8, candidates: [e1]}
    - {width: 16, stride: 2, times: 2, candidates: {expansion: [2, 4], squeeze: [true, false]}}
    - {width: 24}
classes: 10
input_shape: [3, 64, 64]
"""


TIERED = """\
space: 1
tiered:
  stem: [8]
  granularity: 4
  expansion: 3
  stages:
    - {blocks: [inverted, fused], width: 12, depth: [1, 2], stride: 1, kernels: [3, 5]}
    - {blocks: [convolution], width: 16}
classes: 10
input_shape: [3, 64, 64]
"""


def test_every_space_of_the_package_is_told_of_here():
    assert set(packaged_names()) == set(HOLDS)


@pytest.mark.parametrize("name", sorted(HOLDS))
def test_spaces_of_the_package(name, tmp_path):
    space = parse_space(name)
    assert space.count() > 100 and parse_space(str(space)) == space
    for network in HOLDS[name]:
        architecture = card(network).architecture
        assert space.at(space.rank(architecture)) == architecture
    write_space(space, tmp_path / "again.yaml")
    assert read_space(tmp_path / "again.yaml") == space


def test_pl1a_holds_the_backbone_of_its_segmentation_network():
    assert card("pl1a_seg").architecture.backbone in parse_space("pl1a")


@pytest.mark.parametrize("space", [*SPACES, *WITH_DECODERS], ids=str)
def test_any_space_is_written_and_read(space, tmp_path):
    write_space(space, tmp_path / "space.yaml")
    assert read_space(tmp_path / "space.yaml") == parse_space(tmp_path / "space.yaml") == space


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("classes: 10\n", "", "the file: has no classes"),
        ("classes: 10", "classes: ten", "line 9: classes: found 'ten', expected a whole number"),
        ("classes: 10", "classes: true", "line 9: classes: found 'true', expected a whole number"),
        ("classes: 10", "classes: 10\nclasses: 11", "line 10: classes: is there twice"),
        (
            "classes: 10",
            "clases: 10",
            "line 9: clases: is no field, expected one of space, backbone, decoder, ponas, tiered, classes",
        ),
        ("space: 1", "space: 2", "line 1: space: found 2, expected 1, the version of this form"),
        ("family: df", "family: fd", "line 3: backbone.family: found 'fd', expected one of df, pl1a"),
        ("stem: [4, 8]", "stem: 4", "line 4: backbone.stem: found '4', expected a list"),
        ("stem: [4, 8]", "stem: []", "line 4: backbone.stem: found 0 items"),
        ("depth: [1, 2]", "depth: [1]", r"line 7: backbone.stages\[0\].depth: found 1 numbers, expected the fewest"),
        ("depth: [1, 2]", "dept: [1, 2]", r"backbone.stages\[0\].dept: is no field"),
        ("depth: [1, 2]", "dept: [1, 2]", r"line 7: backbone.stages\[0\]: has no depth"),
        ("block: basic, depth: [1, 1]", "block: round, depth: [1, 1]", r"line 8: backbone.stages\[1\].block: found 'r"),
        ("input_shape: [3, 64, 64]", "input_shape: [3, 64]", "line 10: input_shape: found 2 numbers"),
        ("[3, 64, 64]", "[3, 64, -64]", r"input_shape\[2\]: found '-64', expected 0 to"),
        ("[3, 64, 64]", "[3, 64, 9" + "0" * 400 + "]", r"input_shape\[2\]: found"),
        (GOOD, "", "it is empty"),
        (GOOD, "a: [", "not a space: while parsing"),
        (GOOD, "[1, 2]", "the file: found a list, expected space, backbone"),
        (GOOD, "!!python/object/apply:os.system [ls]", "the file: found a list"),
        (GOOD, "[" * 1500, "not a space"),
        (GOOD, "\x00", "not a space"),
    ],
)
def test_faults_name_file_line_and_field(tmp_path, old, new, said):
    path = tmp_path / "own.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(FormatError, match=f"own.yaml: not a space: .*{said}|own.yaml: {said}"):
        parse_space(str(path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  stem: [8]\n", "", "line 3: ponas: has no stem"),
        ("width: 24", "witdh: 24", r"line 7: ponas.layers\[2\]: has no width"),
        ("width: 24", "width: wide", r"line 7: ponas.layers\[2\].width: found 'wide', expected a whole number"),
        ("times: 2", "times: 0", r"line 6: ponas.layers\[1\].times: found '0', expected 1 to 1000"),
        ("times: 2", "times: 100000000", r"line 6: ponas.layers\[1\].times: found '100000000', expected 1 to 1000"),
        (
            "[e1]",
            "[e1, e1-2]",
            r"line 5: ponas.layers\[0\].candidates\[1\]: found 'e1-2', expected a block such as k5e6q",
        ),
        ("[e1]", "[b1]", r"line 5: ponas.layers\[0\].candidates\[0\]: found 'b1', expected a block such as k5e6q"),
        ("[e1]", "[3]", r"line 5: ponas.layers\[0\].candidates\[0\]: found '3', expected a block such as k5e6q"),
        ("[e1]", "[]", r"line 5: ponas.layers\[0\].candidates: found 0 items"),
        ("[e1]", "e1", r"line 5: ponas.layers\[0\].candidates: found 'e1', expected expansion, kernel, squeeze"),
        ("expansion: [2, 4]", "kernel: [3, 5]", r"line 6: ponas.layers\[1\].candidates: has no expansion"),
        ("[true, false]", "[1, 0]", r"line 6: ponas.layers\[1\].candidates.squeeze\[0\]: found '1', expected true"),
        (
            "[2, 4]",
            str([*range(1, 200)]),
            r"line 6: ponas.layers\[1\].candidates: found 398 candidates, expected at most",
        ),
        ("classes: 10", "backbone: s8_b8\nclasses: 10", "ponas: is there with another space's fields"),
        ("classes: 10", "decoder: {channels: [[8]]}\nclasses: 10", "ponas: is there with another space's"),
        ("ponas:\n", "pons:\n", "the file: has no backbone, no ponas and no tiered"),
    ],
)
def test_faults_of_ponas_name_line_and_field(tmp_path, old, new, said):
    path = tmp_path / "own.yaml"
    assert old in PONAS
    path.write_text(PONAS.replace(old, new))
    with pytest.raises(FormatError, match=f"own.yaml: not a space: .*{said}"):
        parse_space(str(path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  stem: [8]\n", "", "line 3: tiered: has no stem"),
        ("width: 16", "wide: 16", r"line 8: tiered.stages\[1\].wide: is no field, .* tiered.stages\[1\]: has no width"),
        (
            "blocks: [convolution]",
            "blocks: convolution",
            r"line 8: tiered.stages\[1\].blocks: found 'convolution', exp",
        ),
        ("[convolution]", "[basic]", r"line 8: tiered.stages\[1\].blocks\[0\]: found 'basic', expected one of"),
        ("depth: [1, 2]", "depth: 2", r"line 7: tiered.stages\[0\].depth: found '2', expected a list"),
        ("depth: [1, 2]", "depth: [2]", r"line 7: tiered.stages\[0\].depth: found 1 numbers, expected the fewest"),
        ("kernels: [3, 5]", "kernel: 3", r"tiered.stages\[0\].kernel: is no field, expected one of blocks, width, dep"),
        ("kernels: [3, 5]", "kernels: [3, five]", r"line 7: tiered.stages\[0\].kernels\[1\]: found 'five'"),
        ("granularity: 4", "granularity: fine", "line 4: tiered.granularity: found 'fine', expected a whole number"),
        ("expansion: 3", "expansion: 1.5", "line 5: tiered.expansion: found '1.5'"),
        ("expansion: 3", "expansion: 3\n  knots: [2]", "line 6: tiered.knots: found a list"),
        ("classes: 10", "ponas: {}\nclasses: 10", "tiered: is there with another space's fields, expected it alone"),
        ("classes: 10", "decoder: {channels: [[8]]}\nclasses: 10", "tiered: is there with another space's fields"),
    ],
)
def test_faults_of_tiered_pruning_name_line_and_field(tmp_path, old, new, said):
    path = tmp_path / "own.yaml"
    assert old in TIERED
    path.write_text(TIERED.replace(old, new))
    with pytest.raises(FormatError, match=f"own.yaml: not a space: .*{said}"):
        parse_space(str(path))


def test_stages_of_tiered_pruning(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(TIERED)
    stages = (
        TieredStage(12, (1, 2), 1, ("inverted", "fused"), (3, 5)),
        # What a file leaves out.
        TieredStage(16, (1, 1), 2, ("convolution",), (3, 5)),
    )
    expected = TieredSpace(stages, (8,), 10, (1, 3, 64, 64), "gpunet", None, 4, 3)
    assert read_space(path) == expected
    path.write_text(TIERED.replace("expansion: 3", "expansion: 3\n  knots: 4\n  head: 9\n  family: ponas"))
    assert read_space(path) == replace(expected, knots=4, head=9, family="ponas")
    path.write_text(TIERED.replace("depth: [1, 2]", "inner: [[4, 12], [8, 16]], depth: [1, 2]"))
    own = replace(expected, stages=(stages[0]._replace(inner=((4, 12), (8, 16))), stages[1]))
    assert read_space(path) == own
    write_space(own, path)
    assert read_space(path) == own


def test_layers_of_ponas(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(PONAS)
    combined = (Unit(3, 2, 0, True), Unit(3, 2), Unit(3, 4, 0, True), Unit(3, 4))
    assert read_space(path) == PonasSpace(
        (
            PonasLayer(8, 1, (Unit(3, 1),)),
            PonasLayer(16, 2, combined),
            PonasLayer(16, 1, combined),
            # The paper's twelve, where a file names none.
            PonasLayer(24, 1, candidates_of((3, 6), (3, 5, 7), (False, True))),
        ),
        (8,),
        10,
        (1, 3, 64, 64),
        head=None,
    )


def test_the_papers_spaces_are_those_of_no_arguments():
    assert parse_space("ponas") == PonasSpace()
    assert parse_space("tiered") == TieredSpace()


def test_all_faults_are_told_at_once(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(GOOD.replace("stem: [4, 8]", "stem: x").replace("classes: 10", "clases: 10"))
    with pytest.raises(FormatError) as fault:
        parse_space(path)
    for said in ("backbone.stem", "clases: is no field", "has no classes"):
        assert said in str(fault.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("widths: [8, 16]\n", "widths: [16, 8]\n", "widths: found"),
        ("depth: [1, 2]", "depth: [3, 2]", "depths: found"),
        ("widths: [16]}", "widths: [32]}", "stage_widths: found"),
        ("block: basic, depth: [1, 2]", "block: basic, depth: [1, 2], kernel: 5", "units"),
        (GOOD, PONAS.replace("[e1]", "[e1, h8]"), "layers: layer 1: e1 and h8 are the same on 8 channels"),
        (GOOD, PONAS.replace("[2, 4]", "[2, 0]"), "layers: layer 2: stage: inverted with expansion 0 and inner 0"),
        (GOOD, TIERED.replace("[3, 5]", "[3, 4]"), "stages: stage 1: kernels: found .3, 4., expected odd numbers"),
        (GOOD, TIERED.replace("width: 16", "width: 8"), "stages: stage 2: width 8, expected at least 12"),
        (GOOD, TIERED.replace("expansion: 3", "knots: 1"), "TieredSpace: knots has 1, expected a whole number in 2"),
        (GOOD, PONAS.replace("width: 24", "width: 8"), "layers: layer 4: width 8, expected at least 16"),
    ],
)
def test_fields_that_make_no_space(tmp_path, old, new, said):
    path = tmp_path / "own.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ArchitectureError, match=f"own.yaml: .*{said}"):
        read_space(path)


def test_units_and_flags(tmp_path):
    path = tmp_path / "own.yaml"
    unit = "block: inverted, depth: [1, 2], kernel: 5, expansion: 6, squeeze: true, stride: 1"
    path.write_text(GOOD.replace("block: basic, depth: [1, 2]", unit))
    space = read_space(path)
    assert space.units == (Unit(5, 6, 0, True), None) and space.strides == (1, 2)


def test_a_backbone_alone_is_no_space(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("space: 1\nbackbone: s8-16_b8\nclasses: 10\ninput_shape: [3, 64, 64]\n")
    with pytest.raises(FormatError, match="backbone: is one architecture"):
        read_space(path)


def test_what_names_no_space():
    with pytest.raises(FileError, match=r"none.yaml: cannot be read"):
        parse_space("none.yaml")
    with pytest.raises(ArchitectureError, match=r"or the name of a space \(df, df-bottleneck"):
        parse_space("df9")


@given(st.text(max_size=200))
@settings(max_examples=60)
def test_any_text_is_a_space_or_a_fault(text):
    from search.spaces.documents import _read

    with pytest.raises(CaffeError):
        _read(text.encode(errors="replace"), "any")
