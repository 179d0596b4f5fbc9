"""Networks part by part: what each part is given, what is timed, what becomes of parts that fail."""

import math

import pytest

from prototxt_gen import generate, parts
from prototxt_gen.errors import UnsupportedError
from prototxt_gen.trace import trace
from search.latency.walking import Walker
from tests.search.latency.fake_engines import FakeEngine

BACKBONE, DECODER = "s8-16_b16_b32_b64_c10", "s8-16_b16_b32_b64_p16-64_d16-8_u8_c5"
SHAPE = (1, 3, 64, 64)


def walked(engine, network):
    """The walker, and what it timed of one walk."""
    walker = Walker(engine)
    return walker, *walker.walk(network)


@pytest.mark.parametrize("code", [BACKBONE, DECODER])
def test_each_part_takes_what_earlier_ones_made(code):
    engine, network = FakeEngine(lambda net: 6.0), parts(code, SHAPE)
    walked(engine, network)
    steps = [(session.net, values) for session, values in engine.runs if session.net.name != "least"]
    runs = 1 + math.ceil(30 / (6 * len(network)))
    assert len(steps) == runs * len(network)
    nets = {part.key: part.net for part in network}
    makers = {blob: (part, own) for part in network for own, blob in part.tops.items()}
    for part, (net, values) in zip(network * runs, steps, strict=True):
        assert net == nets[part.key]
        for own, blob in part.bottoms.items():
            if blob == "data":
                assert values[own] == f"own {own}"
            else:
                maker, top = makers[blob]
                assert values[own] == (maker.net.name, top)


def test_the_first_of_several_runs_is_not_counted():
    order = []
    engine = FakeEngine(lambda net: order.append(net) or float(len(order)))
    network = parts(BACKBONE, SHAPE)
    _, timed, calls = walked(engine, network)
    steps = [ms for ms, net in enumerate(order, 1) if net.name != "least"][len(network) :]
    for index, part in enumerate(network):
        # What it takes to free what nothing needs any more is added: the time of this machine, below a millisecond.
        assert [int(ms) for ms in timed[part.key]] == steps[index :: len(network)]
    assert calls == [ms for ms, net in enumerate(order, 1) if net.name == "least"][1:]


def test_a_part_that_a_network_has_twice_has_weights_of_its_own_each_time():
    network = parts("s8-16_b16x3_b32_c10", SHAPE)
    engine = FakeEngine()
    walker, _, _ = walked(engine, network)
    assert engine.loaded[1:] == [part.net for part in network]
    # Another network takes what is there.
    walker.walk(parts("s8-16_b16x2_b32_c10", SHAPE))
    assert len(engine.loaded) == 1 + len(network)
    used = [session for session, _ in engine.runs if session.net == network[2].net]
    assert used[0] is not used[1]


def test_clipped_blocks_run_with_their_clips():
    engine = FakeEngine()
    walked(engine, parts("m8_i8e3_c10", (1, 3, 32, 32)))
    assert [[layer.type for layer in net.layer] for net in engine.loaded[1:]] == [
        ["Input", "Convolution", "Clip"],
        ["Input", "Convolution", "Clip", "Convolution", "Clip", "Convolution"],
        ["Input", "Pooling", "InnerProduct"],
    ]


@pytest.mark.parametrize(
    ("ms", "reason"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: math.nan, "the engine gives nan ms, expected a number above 0"),
        (lambda: 0.0, "the engine gives 0.0 ms, expected a number above 0"),
    ],
)
def test_a_part_that_fails_is_named_and_the_others_run(ms, reason):
    network = parts(BACKBONE, SHAPE)
    broken = network[2]
    walker, timed, _ = walked(FakeEngine(lambda net: ms() if net == broken.net else 1.0), network)
    assert walker.failed == {broken.key: reason}
    assert set(timed) == {part.key for part in network} - {broken.key}


def test_a_part_that_cannot_be_loaded_is_named():
    network = parts(BACKBONE, SHAPE)
    engine = FakeEngine()
    load = engine._load

    def failing(net, *others):
        if net == network[2].net:
            raise UnsupportedError("no such convolution")
        return load(net, *others)

    engine._load = failing
    walker, timed, _ = walked(engine, network)
    assert walker.failed == {network[2].key: "no such convolution"}
    # The part behind it runs on numbers of its own.
    assert set(timed) == {part.key for part in network} - {network[2].key}


def test_parts_run_at_the_batch_of_the_target():
    pytest.importorskip("torch")
    from converters import make_engine

    shapes = []
    engine = make_engine("torch", 1, batch=3)
    load = engine.load

    def watched(net, *others, **options):
        session = load(net, *others, **options)
        step = session.step

        def seen(values):
            outputs, ms = step(values)
            shapes.extend(tuple(value.shape) for value in outputs.values())
            return outputs, ms

        session.step = seen
        return session

    engine.load = watched
    walker, timed, _ = walked(engine, parts(DECODER, SHAPE))
    assert walker.failed == {} and set(timed) == {part.key for part in parts(DECODER, SHAPE)}
    assert {shape[0] for shape in shapes} == {3}
    assert trace(generate(DECODER, input_shape=(3, *SHAPE[1:])))[-1].top_shapes[0] in shapes


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
@pytest.mark.parametrize("code", [BACKBONE, DECODER])
def test_walked_parts_compute_the_whole_network(name, code):
    """The last part's output is the network's, given the network's weights and input."""
    pytest.importorskip(name)
    import numpy as np

    from converters import make_engine
    from tests.filling import fill_weights

    engine = make_engine(name, 1)
    net = generate(code, input_shape=SHAPE, merged=True)
    weights = fill_weights(net)
    whole = engine.load(net, weights)
    image = {"data": np.random.default_rng(0).random(SHAPE, np.float32)}
    (expected,) = whole.run(image).values()
    blobs = None
    for part in parts(code, SHAPE):
        own = {layer: weights[name] for layer, name in part.layers.items() if name in weights}
        session = engine.load(part.net, own, outputs=tuple(part.tops))
        if blobs is None:
            (first,) = part.bottoms
            blobs = {"data": session.native({first: image["data"]})[first]}
        made, ms = session.step({inner: blobs[blob] for inner, blob in part.bottoms.items()})
        assert ms > 0
        blobs |= {blob: made[inner] for inner, blob in part.tops.items()}
    assert np.allclose(np.asarray(list(blobs.values())[-1]), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
