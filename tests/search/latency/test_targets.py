"""Targets in words."""

from search.latency.targets import target_differences, target_words

TORCH = {
    "engine": "torch",
    "device": "AMD EPYC",
    "threads": 1,
    "precision": "float32",
    "batch": 1,
    "versions": {"torch": "2.5.1", "python": "3.11.2"},
}


def test_a_target_in_one_line():
    assert target_words(TORCH) == "torch, AMD EPYC, 1 thread, float32, batch 1"
    assert target_words({"engine": "trtexec", "threads": 2}) == "trtexec, 2 threads"
    assert target_words({}) == "unknown target"


def test_differences_by_field():
    other = {**TORCH, "threads": 2, "versions": {"torch": "2.6.0", "numpy": "2.0"}}
    assert target_differences(TORCH, TORCH) == []
    assert target_differences(TORCH, other) == [
        ("threads", "1", "2"),
        ("versions.torch", "2.5.1", "2.6.0"),
        ("versions.python", "3.11.2", "-"),
        ("versions.numpy", "-", "2.0"),
    ]


def test_values_that_mean_nothing_to_a_reader_are_said_in_words():
    far = {"engine": "trtexec", "unit": "cuda", "threads": 0, "batch": 1}
    assert target_differences(far, far | {"unit": "dla:0", "threads": 4, "batch": 0}) == [
        ("runs on", "cuda", "dla:0"),
        ("threads", "the engine's choice", "4"),
        ("batch", "1", "0"),
    ]
    assert target_words({"unit": "cuda"}) == "cuda" and target_words({"device": "Pi", "unit": "cpu"}) == "Pi"
    assert target_words(far | {"device": "Orin"}) == "trtexec, Orin (cuda), batch 1"


def test_what_a_terminal_would_obey_is_spelled():
    assert target_words({"engine": "a\x1b[31m", "threads": [1]}) == "'a\\x1b[31m', [1] threads"
    assert target_differences({"engine": "a\nb"}, {}) == [("engine", "'a\\nb'", "-")]
