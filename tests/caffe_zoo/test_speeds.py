"""The zoo timed on an engine: which networks at which sizes, what is published, what fails."""

from types import SimpleNamespace

import pytest

from caffe_zoo import card, list_models
from caffe_zoo.speeds import SCENE_SIZES, Case, Timed, cases, memory, time_cases
from prototxt_gen import CaffeError, UnsupportedError
from search.latency import Entry
from search.latency.measuring import ROUNDS
from tests.released import FACTS


class FakeEngine:
    """An engine whose time is the width of the image in ms; `fails` are widths that it cannot load."""

    in_process = True

    def __init__(self, fails=()):
        self.target, self.fails = {"engine": "fake"}, fails

    def load(self, net, *_, **__):
        width = net.layer[0].input_param.shape[0].dim[3]
        if width in self.fails:
            raise UnsupportedError(f"no room for\n{width}")
        return SimpleNamespace(
            time=lambda: float(width), samples=lambda count: [float(width)] * count, inputs={}, outputs=()
        )


def test_every_network_is_timed_at_the_sizes_of_the_release():
    found = cases()
    assert {case.card.name for case in found} == set(list_models())
    assert all(case.size == (224, 224) for case in found if not case.is_scene)
    assert [case.size for case in found if case.card.name == "df1seg"] == list(SCENE_SIZES)
    assert len(found) == 12 + 3 * 7


def test_networks_and_sizes_can_be_chosen():
    found = cases(["df1seg", "df1", "df1"], [(64, 128)])
    assert [case.title for case in found] == ["df1 at 224x224", "df1seg at 64x128"]
    with pytest.raises(CaffeError, match="no network 'df9' in the zoo"):
        cases(["df9"])


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("resnet18", (224, 224), {"Jetson TX2, TensorRT": 4.4}),
        ("resnet101", (224, 224), {}),
        ("gpunet_p0", (224, 224), {"V100, TensorRT fp16": 0.63, "A100, TensorRT fp16": 0.45}),
        ("df1seg", (1024, 2048), {"GTX 1080 Ti, TensorRT": 106.1, "Titan X, Caffe": 30.7}),
        ("df1seg", (1024, 1024), {"GTX 1080 Ti, TensorRT": 182.1}),
        ("df1seg", (384, 640), {"Jetson TX2, TensorRT": 71.4}),
        ("df1seg", (512, 512), {}),
        ("pl1a_seg", (384, 640), {"Snapdragon 845, ncnn": 52.0}),
    ],
)
def test_published_times_are_those_of_the_size(name, size, published):
    assert Case(card(name), size).published == published


def test_every_published_time_of_the_zoo_is_in_a_table():
    told = [value for case in cases() for value in case.published.values()]
    listed = [
        value
        for name in list_models()
        for key, value in card(name).results.items()
        if key.startswith(("fps_", "latency_ms_"))
    ]
    assert sorted(told) == sorted(listed)


def test_times_and_frames_per_second():
    steps, saved = [], []
    timed = time_cases(
        FakeEngine(),
        cases(["df1", "df1seg", "pl1a_seg"], [(64, 128), (64, 64)]),
        lambda: steps.append(1),
        lambda done: saved.append(len(done)),
    )
    assert [(one.case.title, one.entry.ms, one.figure) for one in timed] == [
        ("df1 at 224x224", 224.0, 224.0),
        ("df1seg at 64x128", 128.0, 1000 / 128),
        ("pl1a_seg at 64x128", 128.0, 1000 / 128),
        ("df1seg at 64x64", 64.0, 1000 / 64),
        ("pl1a_seg at 64x64", 64.0, 1000 / 64),
    ]
    assert timed[0].multiply_adds == pytest.approx(746.73e6, rel=1e-4)
    assert (len(steps), saved) == (5 * ROUNDS, [1, 3, 5])


def test_what_was_timed_before_is_not_timed_again():
    chosen = cases(["df1", "resnet18", "df1seg"], [(64, 128)])
    known = [
        Timed(chosen[0], 5, Entry(1.5, (1.0, 2.0), 9)),
        Timed(chosen[2], 6, None, "no room"),
        Timed(Case(card("df2"), (224, 224)), 7, Entry(3.0, (3.0, 3.0), 9)),
    ]
    steps, loaded, engine = [], set(), FakeEngine()
    load = engine.load
    engine.load = lambda net, **more: loaded.add(net.name) or load(net, **more)
    timed = time_cases(engine, chosen, lambda: steps.append(1), known=known)
    assert timed[0] is known[0] and [one.entry.ms for one in timed] == [1.5, 224.0, 128.0]
    assert len(steps) == 3 * ROUNDS and loaded == {case.net().name for case in chosen[1:]}


def test_what_an_engine_cannot_run_is_named_and_the_rest_kept():
    steps = []
    timed = time_cases(
        FakeEngine(fails=(128,)), cases(["df1", "df1seg"], [(64, 128), (64, 64)]), lambda: steps.append(1)
    )
    assert [(one.entry is None, one.fault, one.figure) for one in timed] == [
        (False, "", 224.0),
        (True, "no room for 128", None),
        (False, "", 1000 / 64),
    ]
    assert len(steps) == 3 * ROUNDS


def test_networks_without_room_beside_each_other_are_timed_one_by_one():
    engine = FakeEngine()
    load, room = engine.load, iter([True, True, True, False, True, True])

    def load_if_there_is_room(net, *given, **more):
        if not next(room):
            raise MemoryError
        return load(net, *given, **more)

    engine.load = load_if_there_is_room
    timed = time_cases(engine, cases(["df1", "resnet18"]))
    assert [(one.fault, one.entry.ms) for one in timed] == [("", 224.0), ("", 224.0)]
    room = iter([True, True, False, True, False])
    assert [one.fault for one in time_cases(engine, cases(["df1", "resnet18"]))] == ["", "MemoryError"]


@pytest.mark.parametrize("name", ["df1", "df2", "df2a", "resnet18", "resnet50", "resnet101"])
def test_memory_beside_the_published_one(name):
    """What Caffe has in use at least is less than the whole GPU's, by what CUDA and cuDNN take: 0.4 to 1 GB."""
    facts = FACTS["imagenet"][name]
    found = memory([name, "df1seg"])
    assert [one.published for one in found] == [facts["gpu_mem_mb_224_b50"], facts["gpu_mem_mb_1024_b1"]]
    assert all(400 < one.published - one.caffe < 1000 for one in found)
    assert all(0 < one.peak < one.caffe for one in found)
