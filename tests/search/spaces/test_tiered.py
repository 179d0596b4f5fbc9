"""The space of Tiered Pruning: GPUNet in it, picks and vectors, what it refuses, what it costs, searches in it."""

import random
from itertools import product

import numpy as np
import pytest

from caffe_zoo.cards import CARDS
from prototxt_gen import parts, summarize
from prototxt_gen.architectures import parse_architecture
from prototxt_gen.errors import ArchitectureError
from prototxt_gen.generator.networks import generate
from search.latency import Entry, LatencyTable, space_parts
from search.latency.predicting import placed_parts
from search.spaces import TieredSpace, TieredStage, parse_space
from search.spaces.tiered import Pick
from search.strategies.partial_order import PartialOrderPruning
from search.strategies.registry import CHOOSERS
from tests.search.spaces.test_kinds import TIERED

WHOLE = TieredSpace()
KIND = {"convolution": "k", "inverted": "i", "fused": "f"}


def blocks_of(space, stage, channels, place):
    """Kind and unit of every block that a stage's layer of so many input channels may be, from the definition."""
    largest = space.expansion * channels
    inner = [width for width in range(1, largest + 1) if width % space.granularity == 0 and width != channels]
    if stage.inner:
        inner = [width for width in inner if width in stage.inner[min(place, 1)]]
    if space.knots == 2:
        inner = sorted({inner[0], inner[-1]})
    units = [f"h{width}" for width in inner] if stage.kinds != ("convolution",) else [""]
    return [
        (KIND[kind], f"{'' if kernel == 3 else f'k{kernel}'}{unit}")
        for kind, kernel, unit in product(stage.kinds, stage.kernels, units)
    ]


def brute_force(space):
    """Every network, from the definition: so many blocks a stage, each any that it may be, spelled as a code."""
    codes, channels = [FAMILY[space.family] + "-".join(map(str, space.stem))], space.stem[-1]
    for stage in space.stages:
        spelled = []
        for depth in range(stage.depths[0], stage.depths[1] + 1):
            inputs = [channels, *[stage.width] * depth][:depth]
            for blocks in product(*(blocks_of(space, stage, taken, place) for place, taken in enumerate(inputs))):
                spelled.append(spell(stage, blocks))
        codes = [code + more for code, more in product(codes, spelled)]
        channels = stage.width
    end = f"{'' if space.head is None else f'_h{space.head}'}_c{space.classes}"
    return [parse_architecture(code + end) for code in codes]


FAMILY = {"gpunet": "g", "ponas": "m", "df": "s", "pl1a": "t"}


def spell(stage, blocks):
    """A stage of blocks; where their kind changes, a stage of stride 1 begins."""
    text, before = "", ""
    for number, (kind, unit) in enumerate(blocks):
        stride = "" if number == 0 and stage.stride == 2 else "1."
        text += f"-{stage.width}{unit}" if kind == before else f"_{kind}{stride}{stage.width}{unit}"
        before = kind
    return text


def costs(architecture, space):
    summary = summarize(generate(architecture, input_shape=space.input_shape, merged=True))
    return summary.multiply_adds, summary.parameters


@pytest.mark.parametrize("space", TIERED, ids=str)
def test_members_are_those_of_the_definition(space):
    every = brute_force(space)
    assert len(set(every)) == len(every) == space.count()
    assert set(space) == set(every)


@pytest.mark.parametrize("name", ["gpunet_p0", "gpunet_p1"])
def test_gpunet_is_in_the_space_of_no_arguments(name):
    architecture = CARDS[name].architecture
    assert architecture in WHOLE and WHOLE.at(WHOLE.rank(architecture)) == architecture
    picks = WHOLE.picks_of(architecture)
    assert WHOLE.of_picks(picks) == architecture
    assert [pick.inner for pick in picks if pick and pick.inner] == [
        block.inner for block in architecture.blocks() if block.kind == "inverted"
    ]


def test_the_space_of_no_arguments():
    assert WHOLE.count() > 10**26 and parse_space(str(WHOLE)) == WHOLE
    for layer in WHOLE.layers:
        assert all(width % 32 == 0 and width <= 8 * layer.in_channels for width in layer.widths)
        assert layer.in_channels not in layer.widths
        assert layer.stride == 1 or not layer.optional
        assert {candidate.kernel for candidate in layer.candidates} <= {3, 5}
    rng = random.Random(0)
    for architecture in (WHOLE.sample(rng) for _ in range(20)):
        assert WHOLE.rank(parse_architecture(str(architecture))) == WHOLE.rank(architecture)


@pytest.mark.parametrize("space", [*TIERED, WHOLE], ids=str)
def test_a_stage_keeps_its_layer_of_stride_2(space):
    rng = random.Random(1)
    for architecture in (space.sample(rng) for _ in range(30)):
        strides = [block.stride for block in architecture.blocks()]
        assert strides.count(2) == sum(stage.stride == 2 for stage in space.stages)


@pytest.mark.parametrize("space", [*TIERED, WHOLE], ids=str)
def test_picks_architectures_and_vectors_are_the_same_networks(space):
    rng = random.Random(0)
    for _ in range(50):
        vector = space.vector_at(rng.randrange(space.count()))
        picks = space.picks_at(vector)
        architecture = space.of_picks(picks)
        assert space.picks_of(architecture) == picks and space.decode(vector) == architecture
        assert (space.encode(architecture) == vector).all() and space.holds(vector[None]).all()
        assert len(list(architecture.blocks())) == sum(pick is not None for pick in picks)


def test_which_layers_of_a_stage_are_left_out_makes_no_difference():
    space = TIERED[0]
    places = [number for number, layer in enumerate(space.layers) if layer.stage == 1]
    picks = [Pick(0, layer.widths[0] if layer.widths else 0) for layer in space.layers]
    made = []
    for left in places[1:]:
        chosen = [None if number == left else pick for number, pick in enumerate(picks)]
        made.append(space.of_picks(chosen))
        assert [type(piece).__name__ for piece in space.pieces_of(chosen)][-1] == "TieredHead"
    assert len(made) == 2 and made[0] == made[1]


def below(space, vector, rng):
    """A vector of the space that is nowhere larger, found by lowering coordinates at random."""
    found = vector.copy()
    for column in rng.sample(range(space.length), space.length):
        lower = found.copy()
        lower[column] = rng.randint(0, int(found[column]))
        if space.holds(lower[None])[0]:
            found = lower
    return found


@pytest.mark.parametrize("space", [*TIERED, WHOLE], ids=str)
def test_smaller_vectors_cost_no_more(space):
    """Multiply-adds and parameters, merged."""
    rng, differ = random.Random(2), 0
    for _ in range(12):
        large = space.vector_at(rng.randrange(space.count()))
        small = below(space, large, rng)
        differ += bool((large != small).any())
        more, fewer = (costs(space.decode(vector), space) for vector in (large, small))
        assert all(less <= much for less, much in zip(fewer, more, strict=True))
        assert (more == fewer) == bool((large == small).all())
    assert differ > 6


@pytest.mark.parametrize("kernels", [(3,), (3, 5)])
@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_fused_block_of_two_channels_costs_more_than_an_inverted_one(kernels, size, stride):
    space = TieredSpace(
        (TieredStage(4, (1, 1), stride, ("inverted", "fused"), kernels),),
        (2,),
        2,
        (1, 1, size, size),
        head=None,
        granularity=3,
    )
    for vector in next(space.vectors()):
        if vector[-1] == 1:
            inverted = vector.copy()
            inverted[-1] = 0
            assert costs(space.decode(inverted), space)[0] < costs(space.decode(vector), space)[0]


@pytest.mark.parametrize("space", [*TIERED, WHOLE], ids=str)
def test_pieces_are_the_parts_of_networks(space):
    """By what is in them and by what made their input, in order, whichever layers are left out."""
    found = {piece: part.joined_key for piece, part in placed_parts(space).items()}
    rng = random.Random(3)
    met = {}
    for architecture in (space.sample(rng) for _ in range(25)):
        pieces = space.pieces_of(space.picks_of(architecture))
        keys = [part.joined_key for part in parts(architecture, space.input_shape)]
        assert [found[piece] for piece in pieces] == keys
        met |= dict(zip(pieces, keys, strict=True))
    assert len(met) > 10


@pytest.mark.parametrize("knots", [2, 3, 9])
def test_knots_are_some_of_the_widths_with_the_least_and_the_most(knots):
    space = TieredSpace(knots=knots)
    assert str(space).split("_")[-3] == f"t32.8.{knots}" and parse_space(str(space)) == space
    for layer, whole in zip(space.layers, WHOLE.layers, strict=True):
        assert set(layer.widths) <= set(whole.widths)
        assert len(layer.widths) == min(knots, len(whole.widths))
        assert layer.widths[:1] == whole.widths[:1] and layer.widths[-1:] == whole.widths[-1:]
    ratios = np.diff(np.log(space.layers[-1].widths))
    assert ratios.max() < 1.6 * np.median(ratios)
    assert space.sample(random.Random(0)) in WHOLE


def test_knots_are_some_of_the_inner_widths_that_a_stage_has():
    stage = TieredStage(8, (1, 2), 2, ("inverted",), (3,), ((6, 12, 18, 24), (16, 48)))
    layers = TieredSpace((stage,), (4,), 10, granularity=2, knots=3).layers
    assert [layer.widths for layer in layers] == [(6, 12, 24), (16, 48)]


MEMBER = "m4_k8-k3_i1.8k5h12-h24_f16h24-h48_i1.16h96-k5h48_h12_c3"
STRANGERS = TieredSpace(
    (
        TieredStage(8, (1, 3), 2, ("convolution",), (3, 5)),
        TieredStage(8, (0, 2), 1, ("inverted",), (3, 5)),
        TieredStage(16, (2, 4), 2, ("inverted", "fused"), (3, 5)),
    ),
    (4,),
    3,
    (1, 3, 40, 24),
    "ponas",
    12,
    12,
    6,
)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (MEMBER, None),
        ("m4_k8-k3_i1.8k5h12-h24_f16h24-h20_h12_c3", "found res4.2, fused 3x3 of inner width 20, 16 wide"),
        ("m4_k8-k7_i1.8k5h12-h24_f16h24-h48_h12_c3", "found res2.2, convolution 7x7, 8 wide at stride 1, for layer 6"),
        ("m4_k8_f1.8h12_f16h24-h48_h12_c3", "found res3.1, fused 3x3 of inner width 12, 8 wide at stride 1, for"),
        ("m4_k8_i1.8h12_f16h24_h12_c3", "found no more blocks for layer 7, expected inverted 3x3 or inverted 5x5 or"),
        ("m4_k8_i1.8h12x3_f16h24-h48_h12_c3", "found res3.3, inverted"),
        ("m4_k8_i1.8h12_f16h24-h48x4_h12_c3", "found res4.5, .* expected no such block there"),
        ("m4_k8_i8h12_f16h24-h48_h12_c3", "found res3.1, inverted .* at stride 2"),
        ("m4_k8_i1.8h12q_f16h24-h48_h12_c3", "found res3.1"),
        # The same blocks, spelled otherwise: the layers' names differ.
        ("m4_k8_i1.8h12_f16h24_f1.16h48_h12_c3", "the same blocks spelled as m4_k8_i1.8h12_f16h24-h48_h12_c3"),
        ("m4_k8_i1.8e3_f16h24-h48_h12_c3", "the same blocks spelled as m4_k8_i1.8h24_f16h24-h48_h12_c3"),
        ("g4_k8_f16h24-h48_h12_c3", "family, stem, head, classes are .'gpunet'"),
        ("m4_k8_f16h24-h48_h12_c4", "family, stem, head, classes are"),
        ("m4_k8_f16h24-h48_c3", "family, stem, head, classes are"),
    ],
)
def test_members_and_strangers(code, said):
    architecture = parse_architecture(code)
    assert (architecture in STRANGERS) == (said is None)
    if said:
        with pytest.raises(ArchitectureError, match=said):
            STRANGERS.encode(architecture)


def test_a_decoder_is_no_member():
    with pytest.raises(ArchitectureError, match="expected a Backbone"):
        STRANGERS.encode(parse_architecture("s4-8_b8_b8_b16_p4-8_d8-4x2_u8_c5"))


@pytest.mark.parametrize(
    ("number", "pick", "said"),
    [
        (None, None, "picks: found 8, expected 9, one for each layer"),
        (0, None, "picks: layer 1 is left out, expected one of its blocks"),
        (0, Pick(2, 0), "picks: layer 1 has no candidate 2 of inner width 0, expected 0 to 1 .k, kk5. of 0"),
        (0, Pick(0, 8), "picks: layer 1 has no candidate 0 of inner width 8"),
        (
            5,
            Pick(3, 17),
            "picks: layer 6 has no candidate 3 of inner width 17, expected 0 to 3 .i, ik5, f, fk5. of .12",
        ),
        (5, Pick(-1, 12), "picks: layer 6 has no candidate -1"),
    ],
)
def test_picks_that_a_space_does_not_leave(number, pick, said):
    picks = [Pick(0, layer.widths[0] if layer.widths else 0) for layer in STRANGERS.layers]
    if number is None:
        picks.pop()
    else:
        picks[number] = pick
    with pytest.raises(ArchitectureError, match=said):
        STRANGERS.of_picks(picks)


STAGE = TieredStage(8, (1, 2))
HUGE = 10**5000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stages": ()}, "stages: found none, expected 1 to 1000"),
        ({"stages": 3}, "stages: found 3, expected a tuple of TieredStage"),
        ({"stages": (STAGE,) * 1001}, "stages: found 1001, expected 1 to 1000"),
        ({"stages": (STAGE, (8, (1, 2)))}, "stage 2: found .8, .1, 2.., expected a TieredStage"),
        ({"stages": (STAGE._replace(width=0), STAGE._replace(width=9000))}, "stage 1: width has 0, .*; stage 2: width"),
        ({"stages": (STAGE._replace(width=8.0),)}, "stage 1: width has 8.0, expected a whole number"),
        ({"stages": (STAGE._replace(width=True),)}, "stage 1: width has True, expected a whole number"),
        ({"stages": (STAGE._replace(width=HUGE),)}, "stage 1: width has a huge int"),
        ({"stages": (STAGE._replace(width="8"),)}, "stage 1: width has '8'"),
        ({"stages": (STAGE._replace(stride=3),)}, "stage 1: stride has 3"),
        ({"stages": (STAGE._replace(depths=2),)}, "stage 1: depths: found 2, expected a tuple"),
        ({"stages": (STAGE._replace(depths=(2, 1)),)}, r"stage 1: depths: found \(2, 1\), expected \(least, most\)"),
        ({"stages": (STAGE._replace(depths=(0, 0)),)}, r"stage 1: depths: found \(0, 0\)"),
        ({"stages": (STAGE._replace(depths=(1, 2, 3)),)}, r"stage 1: depths: found \(1, 2, 3\)"),
        ({"stages": (STAGE._replace(depths=(-1, 2)),)}, "stage 1: depths has -1, expected a whole number in 0..1000"),
        ({"stages": (STAGE._replace(depths=(1, 1001)),)}, "stage 1: depths has 1001"),
        ({"stages": (STAGE._replace(depths=(1, 600)),) * 2}, "found up to 1200 layers, expected at most 1000"),
        ({"stages": (STAGE._replace(kinds="inverted"),)}, "stage 1: kinds: found 'inverted', expected a tuple"),
        ({"stages": (STAGE._replace(kinds=()),)}, r"stage 1: kinds: found \(\), expected a tuple"),
        ({"stages": (STAGE._replace(kinds=("basic",)),)}, r"stage 1: kinds: found .'basic',., expected one of"),
        ({"stages": (STAGE._replace(kinds=("fused", "inverted")),)}, "stage 1: kinds: found .'fused', 'inverted'."),
        ({"stages": (STAGE._replace(kinds=("inverted", "convolution")),)}, "stage 1: kinds: found"),
        ({"stages": (STAGE._replace(kinds=(["inverted"],)),)}, "stage 1: kinds: found"),
        ({"stages": (STAGE._replace(kernels=(3, 4)),)}, r"stage 1: kernels: found \(3, 4\), expected odd numbers, asc"),
        ({"stages": (STAGE._replace(kernels=(5, 3)),)}, r"stage 1: kernels: found \(5, 3\)"),
        ({"stages": (STAGE._replace(kernels=(3, 3)),)}, r"stage 1: kernels: found \(3, 3\)"),
        ({"stages": (STAGE._replace(kernels=(33,)),)}, "stage 1: kernels has 33, expected a whole number in 1..31"),
        ({"stages": (STAGE._replace(kernels=3),)}, "stage 1: kernels: found 3, expected a tuple"),
        ({"stages": (STAGE._replace(inner=(8,)),)}, "stage 1: inner 1: found 8, expected 1 to 254 widths, ascending"),
        ({"stages": (STAGE._replace(inner=((16, 8), (8,))),)}, r"stage 1: inner 1: found \(16, 8\), expected 1 to 254"),
        ({"stages": (STAGE._replace(inner=((8,), ())),)}, r"stage 1: inner 2: found \(\), expected 1 to 254"),
        ({"stages": (STAGE._replace(inner=((0,), (8,))),)}, "stage 1: inner 1 has 0, expected a whole number in 1..81"),
        ({"stages": (STAGE._replace(inner=((8,),)),)}, "stage 1: found 1 lists of inner widths, expected 2, of the fi"),
        (
            {"stages": (STAGE._replace(inner=((4,), (48, 56, 60))),)},
            r"stage 1: inner widths \(4,\), expected multiples o",
        ),
        (
            {"stages": (STAGE._replace(inner=((8,), (48, 56, 60))),)},
            r"stage 1: inner widths \(56, 60\), expected mul",
        ),
        (
            {"stages": (STAGE._replace(kinds=("convolution",), inner=((8,), (8,))), STAGE._replace(width=9))},
            "stage 1: found 2 lists of inner widths, expected none",
        ),
        (
            {"stages": (STAGE._replace(stride=1, inner=((16,), (24,))),), "stem": (8,)},
            "stage 1: inner widths that differ, expected the same in layers that are all alike",
        ),
        ({"stages": (STAGE._replace(depths=(0, 1)),)}, "stage 1: may be left out with stride 2 and 4 to 8 channels"),
        ({"stages": (STAGE, STAGE._replace(width=4))}, "stage 2: width 4, expected at least 8"),
        ({"stages": (STAGE, STAGE._replace(stride=1))}, "stage 2: goes on as one before it does"),
        (
            {"stages": (STAGE, STAGE._replace(stride=1, kinds=("fused",), depths=(0, 1)), STAGE._replace(stride=1))},
            "stage 3: goes on as one before it does, expected one stage of both",
        ),
        (
            {"stages": (STAGE._replace(kinds=("inverted", "fused"), kernels=(1, 3)),)},
            "stage 1: both kinds with kernel 1 on 4 channels",
        ),
        (
            {"stages": (STAGE._replace(kinds=("inverted", "fused")),), "stem": (1,), "granularity": 2},
            "stage 1: both kinds with kernel 3 on 1 channels",
        ),
        ({"stages": (TieredStage(8, (2, 2), 2, ("convolution",), (3,)),)}, "no layer leaves a choice"),
        ({"stages": (STAGE._replace(depths=(1, 40)),)}, "the code has .* characters, expected at most 200"),
        ({"granularity": 0}, "granularity has 0, expected a whole number in 1..8192"),
        ({"granularity": 2.0}, "granularity has 2.0"),
        ({"granularity": 64}, "stage 1: no inner width in multiples of 64 up to 6 times 4 channels"),
        ({"granularity": 4, "expansion": 1}, "stage 1: no inner width in multiples of 4 up to 1 times 4 channels, wi"),
        ({"granularity": 1, "expansion": 100}, "stage 1: 399 inner widths, expected at most 254; a coarser granul"),
        ({"expansion": 3000}, "stage 1: inner widths up to 12000, expected at most 8192"),
        ({"expansion": HUGE}, "expansion has a huge int"),
        ({"expansion": None}, "expansion has None"),
        ({"knots": 1}, "knots has 1, expected a whole number in 2..254"),
        ({"knots": 2.5}, "knots has 2.5"),
        ({"input_shape": (2, 3, 32, 32)}, "input_shape: found .2, 3, 32, 32., expected .1, channels, height, width"),
        ({"input_shape": (1, 3, 32)}, "input_shape: found"),
        ({"input_shape": 32}, "input_shape: found 32"),
        ({"input_shape": (1, 3, 32, 0)}, "input_shape: found .1, 3, 32, 0., expected"),
        ({"input_shape": (1, 3, 32, 3.5)}, "input_shape: found .1, 3, 32, 3.5."),
        ({"classes": 0}, "classes has 0"),
        ({"classes": True}, "classes has True"),
        ({"family": "round"}, "family: found 'round', expected one of df, pl1a, ponas, gpunet"),
        ({"family": "resnet"}, "family: found 'resnet', expected one of"),
        ({"family": ["gpunet"]}, "family: found"),
        ({"head": 0}, "head has 0"),
        ({"stem": ()}, "stem has none"),
        ({"stem": 8}, "stem is 8"),
        ({"stem": (8.5,)}, "stem has 8.5"),
        ({"stem": 8, "head": -1, "knots": 0, "family": None}, "stem .*; family: .*; backbone: head .*; knots has 0"),
    ],
)
def test_broken_rules_are_named(arguments, said):
    own = {"stages": (STAGE,), "stem": (4,), "classes": 10, "input_shape": (1, 3, 32, 32), "head": None}
    with pytest.raises(ArchitectureError, match=f"TieredSpace.*{said}"):
        TieredSpace(**own | {"granularity": 8, "expansion": 6} | arguments)


def test_lists_and_numbers_of_numpy_are_taken_as_they_are_meant():
    stages = [TieredStage(np.int64(8), [1, np.int64(2)], 2, ["inverted", "fused"], [3])]
    space = TieredSpace(stages, [4], np.int64(10), [1, 3, 32, 32], "gpunet", None, np.int64(8), 4)
    own = (TieredStage(8, (1, 2), 2, ("inverted", "fused"), (3,)),)
    assert space == TieredSpace(own, (4,), 10, (1, 3, 32, 32), "gpunet", None, 8, 4)
    assert hash(space) and parse_space(str(space)) == space and type(space.granularity) is int


@pytest.mark.parametrize("seed", range(12))
def test_the_longest_code_decides_whether_a_space_is_one(seed):
    """The one that is tried has as many characters as any."""
    rng = random.Random(seed)
    stages, width = [TieredStage(8, (1, 1), 1, ("convolution",), (3, 5))], 8
    for _ in range(2):
        width += 2
        kinds = rng.choice([("inverted",), ("fused",), ("inverted", "fused"), ("convolution",)])
        least = rng.randint(1, 2)
        stages.append(
            TieredStage(width, (least, rng.randint(least, 2)), rng.choice((1, 2)), kinds, rng.choice([(3,), (3, 5)]))
        )
    space = TieredSpace(tuple(stages), (8,), 10, (1, 3, 32, 32), head=None, granularity=rng.choice((7, 9)), expansion=2)
    assert len(str(space.of_picks(space._longest()))) == max(len(str(one)) for one in space)


@pytest.mark.parametrize("strategy", sorted(CHOOSERS.keys() - {"ponas", "listed"}))
def test_every_strategy_that_needs_no_supernet_searches_it(strategy):
    space = STRANGERS
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(space))})

    def parameters(one):
        return summarize(generate(one, input_shape=space.input_shape)).parameters

    most = sorted(parameters(space.sample(random.Random(seed))) for seed in range(9))[4]
    search = PartialOrderPruning(space, table, strategy=strategy, limits={"parameters": most})
    asked = []
    for number in range(8):
        asked.append(search.ask())
        search.tell(asked[-1], 0.5 + number / 100)
    assert all(one in space for one in asked) and len(set(asked)) == 8
    assert all(parameters(one) <= most for one in asked)


def test_the_space_of_no_arguments_is_searched_without_listing_it():
    table = LatencyTable({}, {key: Entry(1.0 + i / 64, (0.0, 0.0), 1) for i, key in enumerate(space_parts(WHOLE))})
    drawn = [WHOLE.sample(random.Random(seed)) for seed in range(5)]
    vectors = np.array([WHOLE.encode(architecture) for architecture in drawn])
    assert table.predictor(WHOLE)(vectors).tolist() == [table.predict(one, WHOLE.input_shape) for one in drawn]
    search = PartialOrderPruning(WHOLE, table)
    for number in range(2):
        one = search.ask()
        assert one in WHOLE
        search.tell(one, 0.5 + number / 100)
