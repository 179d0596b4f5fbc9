"""boundary.json, read back by the public doors; the table and the sentence that tell it."""

import json
import statistics

import pytest

from converters.pytorch.module import to_torch
from converters.weights import load_weights
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize
from prototxt_gen.text import read_prototxt
from search.report.boundary import boundary_table, counts_line, write_report
from search.study.known import KnownResult
from search.study.storage import known_sources
from search.training.training import evaluate
from tests.search.study import quick


def test_boundary_json_tells_all_and_its_files_give_the_accuracy(finished):
    folder = finished.folder
    document = json.loads((folder / "boundary.json").read_text())
    assert document["space"] == str(finished.search.space)
    assert document["counts"]["space"] == finished.search.space.count()
    assert document["counts"]["trained"] == 4 or document["counts"]["pruned"]
    assert document["latency_target"]["engine"] == "torch"
    assert document["limits"] == {"parameters": [0, None]}
    held_out = finished.data.held_out
    networks = document["networks"]
    assert networks
    for network in networks:
        net = read_prototxt(folder / network["prototxt"])
        module = to_torch(net, load_weights(folder / network["caffemodel"]))
        assert evaluate(module, held_out) == network["accuracy"]
        costs = summarize(net)
        assert (costs.parameters, costs.multiply_adds) == (network["parameters"], network["multiply_adds"])
        merged = generate(network["code"], input_shape=(1, 3, 16, 16), merged=True)
        assert network["peak_memory"] == summarize(merged).peak_memory
        assert network["latency_ms"]["predicted"] > 0 and network["latency_ms"]["measured"] > 0
        assert network["prototxt"] == f"networks/{network['code']}/deploy.prototxt"
    latencies = [network["latency_ms"]["predicted"] for network in networks]
    # Where the strategy expects another accuracy than was told, the boundary is of those that it expects.
    accuracies = [network["accuracy"] if network["expected"] is None else network["expected"] for network in networks]
    assert latencies == sorted(latencies) and accuracies == sorted(accuracies)


def test_table_and_sentence_tell_what_the_file_does(finished):
    table = boundary_table(finished.found)
    assert len(table.splitlines()) == 1 + len(finished.found)
    for network in finished.found:
        assert f"{network.accuracy:.2%}" in table and network.code in table and f"{network.peak_memory:,}" in table
    counts = finished.search.counts()
    sentence = counts_line(counts)
    assert f"{counts['space']} architectures in the space" in sentence
    assert "in the latency interval and the limits (left out by latency 0, by parameters 0): " in sentence
    assert f"{counts['trained']} trained, {counts['pruned']} pruned" in sentence
    free = counts_line({"space": 5, "in_interval": 4, "trained": 1, "pruned": 2})
    assert free == (
        "5 architectures in the space, 4 in the latency interval: 1 trained, 2 pruned without training, 1 not looked at"
    )
    estimated = {"space": 10**12, "in_interval": 8 * 10**9, "trained": 3, "pruned": 10**9, "failed": 1}
    assert counts_line({**estimated, "pruned_error": 10**7, "outside_memory": 5, "outside_memory_error": 1}) == (
        "1,000,000,000,000 architectures in the space, 8,000,000,000 in the latency interval and the limits (left out "
        "by memory about 5): 3 trained, 1 failed, about 1,000,000,000 pruned without training, about 6,999,999,996 not "
        "looked at"
    )


def test_runs_are_told_with_their_mean_and_spread(tmp_path):
    """Of a search whose boundary was confirmed, with a result from elsewhere on it."""
    code = min(quick.ALL, key=lambda code: (len(code), code))  # the smallest: nothing is faster
    known = [KnownResult(code, 0.99, "paper")]
    search = quick.search_in(tmp_path, quick.Quick(tmp_path / "log"), trials=6, confirm=2, known=known)
    found = write_report(search, tmp_path, None, sources=known_sources(tmp_path / "study.db"))
    document = json.loads((tmp_path / "boundary.json").read_text())
    assert document["format"] == "dongfeng boundary 2" and document["data"] is None
    table = boundary_table(found)
    for network, row in zip(document["networks"], table.splitlines()[1:], strict=True):
        runs = network["runs"]
        assert network["accuracy"] == pytest.approx(statistics.mean(runs)) and network["caffemodel"] is None
        assert len(runs) == 3 and network["spread"] == pytest.approx(statistics.stdev(runs))
        assert f"{network['accuracy']:.2%} ± {network['spread']:.2%} of 3" in row
        if network["source"] is not None:
            assert network["code"] == code and runs[0] == 0.99
            assert row.endswith(f"{code} (paper)")
    assert code in {network["code"] for network in document["networks"]}
