"""Searches for a target: the cut space in the study, another target refused on going on, networks that are checked."""

import json

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch
from converters.targets.checking import check_target
from converters.targets.reading import read_target
from converters.weights import load_weights
from prototxt_gen.errors import ArchitectureError, FormatError
from prototxt_gen.text import read_prototxt
from search.cutting import cut_space
from search.report.boundary import boundary_table, checked_words, write_report
from search.report.publishing import publish
from search.report.reading import read_search
from search.spaces import parse_space
from search.study.loop import read_question, run_search, run_worker
from tests.search.own_targets import own_target
from tests.search.study import quick, small_ponas_search, small_tiered_search

NARROW = [("Convolution", "num_output <= 8")]
# Of a network it takes short names, and no layer that works in place.
SHORT = [*NARROW, ("'*'", "name_length <= 8"), ("ReLU", "not in_place")]


def quick_search(folder, target, **changes):
    table = quick.table(cut_space(WIDE, target).space if target is not None else WIDE)
    arguments = quick.EVERYTHING | {"table": table, "target": target, **changes}
    return run_search(WIDE, quick.Quick(folder.parent / "log"), folder, **arguments)


#: The quick space, with a width that the target refuses.
WIDE = parse_space(str(quick.SPACE).replace("w4-8", "w4-8-16"))


def test_the_space_is_cut_before_anything_is_trained(tmp_path):
    path = own_target(tmp_path, NARROW)
    search = quick_search(tmp_path / "run", path)
    # Everything that is left was trained, and it alone; what a whole check of each network takes.
    assert {str(one.architecture) for one in search.trained()} == quick.ALL
    assert 0 < len(quick.ALL) < WIDE.count()
    told = json.loads((tmp_path / "run/target.json").read_text())
    assert (told["networks"], told["left"]) == (WIDE.count(), len(quick.ALL))
    assert told["target"]["name"] == "board" and parse_space(told["cut"]) == search.space == quick.SPACE


def test_it_is_gone_on_with_for_the_same_target_alone(tmp_path):
    path, folder = own_target(tmp_path, NARROW), tmp_path / "run"
    quick_search(folder, path, trials=2)
    assert len(quick_search(folder, path, trials=3).trained()) == 3
    # Another rule that leaves the same networks, and another of which the space is not another either.
    others = [own_target(tmp_path, [("Convolution", "num_output < 16")], name="other")]
    others += [own_target(tmp_path, NARROW, name="board", version="'2'")]
    for other in others:
        with pytest.raises(FormatError, match=r"target: was .*'name': 'board'.*, is "):
            quick_search(folder, other, trials=3)
    with pytest.raises(FormatError, match=r"space: was .*; target: was .*, is None"):
        quick_search(folder, None, trials=3)
    # A target for a search that was begun without one.
    quick_search(tmp_path / "free", None, trials=1)
    with pytest.raises(FormatError, match="target: was None"):
        quick_search(tmp_path / "free", path, trials=1)


def test_workers_read_the_cut_space_from_the_study(tmp_path):
    path = own_target(tmp_path, NARROW)
    target = read_target(path)
    quick_search(tmp_path / "run", path, trials=2)
    # The file need not be there.
    path.unlink()
    question = read_question(tmp_path / "run/study.db")
    assert question.space == quick.SPACE and question.target == target.as_json()
    search = run_worker(tmp_path / "run/study.db", quick.Quick(tmp_path / "log"), tmp_path / "worker")
    assert search.space == quick.SPACE and len(search.trained()) == 2


def test_nothing_is_begun_where_the_target_takes_nothing(tmp_path):
    path = own_target(tmp_path, [("Convolution", "num_output <= 2")])
    with pytest.raises(ArchitectureError, match="target board: no network is left, as all have stem"):
        run_search(WIDE, quick.Quick(tmp_path / "log"), tmp_path / "run", table=quick.table(WIDE), target=path)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def searched(small, tmp_path_factory):
    """A search with trained weights, reported for a target that takes short names alone."""
    place = tmp_path_factory.mktemp("target")
    target = read_target(own_target(place, SHORT))
    search = small.search_in(place / "run", target=target, trials=2)
    found = write_report(search, place / "run", None, target=target, every=True)
    return place / "run", target, search, found


def test_networks_are_handed_out_in_the_targets_words_and_compute_the_same(searched):
    folder, target, search, found = searched
    for one in search.trained():
        own = folder / "networks" / str(one.architecture)
        merged, net = read_prototxt(own / "merged.prototxt"), read_prototxt(own / "board.prototxt")
        assert check_target(net, target).passed and not check_target(merged, target).passed
        report = json.loads((own / "board.json").read_text())
        assert report["taken"] and report["exact"] and report["check"]["passed"] and report["renamed"]
        assert report["target"]["digest"] == target.digest and report["changes"]
        old = to_torch(merged, load_weights(own / "merged.caffemodel", merged))
        new = to_torch(net, load_weights(own / "board.caffemodel", net))
        image = torch.from_numpy(np.random.default_rng(1).normal(0, 50, (1, 3, 16, 16)).astype(np.float32))
        with torch.no_grad():
            expected, ours = old(image), new(image)
        assert torch.allclose(ours, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert report["off_by"] <= 1e-5
    assert found and all(one.for_target.taken and one.for_target.off_by <= 1e-5 for one in found)


def test_table_files_and_page_tell_the_target(searched):
    folder, target, _, found = searched
    head, *rows = boundary_table(found).splitlines()
    assert "board" in head.split() and all("taken" in row.split() for row in rows)
    assert f"target board: {len(found)} of {len(found)} networks are taken: networks/*/board.prototxt; with" in (
        checked_words(found, "board")
    )
    document = json.loads((folder / "boundary.json").read_text())
    assert document["target"] == target.as_json()
    for network in document["networks"]:
        assert (folder / network["for_target"]["prototxt"]).is_file()
        assert (folder / network["for_target"]["caffemodel"]).is_file()
        assert (folder / network["for_target"]["report"]).is_file()
    publish(folder)
    page = (folder / "report.html").read_text()
    left = json.loads((folder / "target.json").read_text())
    assert f'["left by the target board", "{left["left"]} of {left["networks"]}"]' in page
    assert f'taken by board", "{len(found)} of {len(found)}"]' in page
    titles = [title for row in read_search(folder).rows for title, _ in row.files]
    assert {"board.prototxt", "board.caffemodel", "board.json"} <= set(titles)


def test_a_network_that_is_not_taken_whole_is_told_and_not_written(small, tmp_path):
    # Of whole networks the target takes those of few layers; no part tells that.
    count = len(read_prototxt_of(small.SPACE.at(0)).layer)
    path = own_target(tmp_path, [("network", f"layers <= {count}")])
    cut = cut_space(small.SPACE, path)
    assert cut.after == cut.before and cut.remarks and "is not taken whole" in str(cut)
    search = small.search_in(tmp_path / "run", target=path, trials=3)
    found = write_report(search, tmp_path / "run", None, target=cut.target, every=True)
    for one in search.trained():
        own = tmp_path / "run/networks" / str(one.architecture)
        report = json.loads((own / "board.json").read_text())
        assert report["taken"] == (len(read_prototxt_of(one.architecture).layer) <= count)
        assert (own / "board.prototxt").exists() == (own / "board.caffemodel").exists() == report["taken"]
    refused = [one for one in found if not one.for_target.taken]
    assert refused and "1 fault" in boundary_table(found)
    assert f"{refused[0].code}: the whole network layers: found layers" in checked_words(found, "board")


def read_prototxt_of(architecture):
    from prototxt_gen.generator.networks import generate

    return generate(architecture, input_shape=(1, 3, 16, 16), merged=True)


def test_ponas_is_run_in_the_cut_space(tmp_path):
    path = own_target(tmp_path, [("Convolution", "kernel_h <= 3")])
    cut = cut_space(small_ponas_search.SPACE, path)
    search = small_ponas_search.search_in(tmp_path / "run", target=path, table=quick.table(cut.space))
    assert 0 < cut.after < cut.before and search.space == cut.space
    assert json.loads((tmp_path / "run/accuracy.json").read_text())["space"] == str(cut.space)
    assert read_question(tmp_path / "run/study.db").target == cut.target.as_json()
    with pytest.raises(FormatError, match="space"):
        small_ponas_search.search_in(tmp_path / "run", table=quick.table(small_ponas_search.SPACE))


def test_tiered_pruning_searches_the_cut_space(tmp_path):
    space = small_tiered_search.SPACE
    path = own_target(tmp_path, [("Convolution", "kernel_h <= 3")])
    cut = cut_space(space, path)
    search = small_tiered_search.search_in(tmp_path / "run", target=path, goals=(0.4,))
    assert 0 < cut.after < cut.before and search.space == cut.space
    assert [one.architecture in cut.space for one in search.trained()] == [True]
    found = write_report(search, tmp_path / "run", None, target=cut.target, every=True)
    assert [one.for_target.taken for one in found] == [True]
