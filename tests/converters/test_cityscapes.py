"""Scores on a small data set against what Cityscapes' own script said of it, and tables against the release's logs."""

from __future__ import annotations

import json
import re
from math import isnan, nan

import numpy as np
import pytest
from PIL import Image

from converters.cityscapes import (
    CLASSES,
    COLOURS,
    LABEL_IDS,
    LABELS,
    Scores,
    frames,
    matrix_table,
    mean,
    read_ids,
    score_table,
)
from prototxt_gen import CaffeError
from tests.caffe_files import in_reference
from tools.reference_facts import digest, log_lines, score_tables, table_digest
from tools.truths import CITYSCAPES

LOGS = (
    "pred_df1seg_mergebn_val.txt",
    "pred_df2seg1_mergebn_val.txt",
    "pred_df2seg2_mergebn_val.txt",
    "pred_df-lite_seg_mergebn_val.txt",
    "pred_d8_u8_df1seg_mergebn_val.txt",
    "pred_d8_u8_df-lite_seg_mergebn_val.txt",
)
PRINTED = json.loads(CITYSCAPES.read_text("utf-8"))
SIZE = (24, 40)
# cityscapesscripts 2.3.0, evalPixelLevelSemanticLabeling.evaluateImgLists, on the images of `made`.
OFFICIAL_CLASSES = {
    "road": (0.0, nan),
    "sidewalk": (0.5903614457831325, nan),
    "building": (0.4411764705882353, nan),
    "wall": (0.39285714285714285, nan),
    "fence": (0.69, nan),
    "pole": (0.6082474226804123, nan),
    "traffic light": (0.41935483870967744, nan),
    "traffic sign": (0.5, nan),
    "vegetation": (0.43661971830985913, nan),
    "terrain": (0.5876288659793815, nan),
    "sky": (0.2903225806451613, nan),
    "person": (0.6533333333333333, 0.7285644515710294),
    "rider": (0.6373626373626373, 0.6348125027725707),
    "car": (0.4583333333333333, 0.8748176611380598),
    "truck": (0.6129032258064516, 0.7714046439824311),
    "bus": (0.3709677419354839, 0.7071674119896394),
    "train": (0.0, 0.0),
    "motorcycle": (0.6170212765957447, 0.7808462700466404),
    "bicycle": (0.6436781609195402, 0.7011069867981209),
}
OFFICIAL_CATEGORIES = {
    "flat": (0.5376344086021505, nan),
    "nature": (0.5705521472392638, nan),
    "object": (0.5833333333333334, nan),
    "sky": (0.2903225806451613, nan),
    "construction": (0.5962732919254659, nan),
    "human": (0.6956521739130435, 0.6958508429692922),
    "vehicle": (0.7178899082568807, 0.8793304098291703),
}


def made(number):
    """Labels, instances and a network's classes of image `number`, (24, 40) each: blocks of 4, then noise."""
    rng = np.random.default_rng(number)
    labels = np.kron(rng.integers(0, len(LABELS), (6, 10)), np.ones((4, 4), np.int64))
    has = np.array([bool(label.instance_size) for label in LABELS])[labels]
    # A third of what may have instances is a crowd: the label's own id, without a number.
    instances = np.where(has & (rng.random(SIZE) < 0.66), labels * 1000 + rng.integers(0, 3, SIZE), labels)
    right = np.array([label.train_id if label.train_id is not None else 3 for label in LABELS])[labels]
    predicted = np.where(rng.random(SIZE) < 0.7, right, rng.integers(0, 19, SIZE))
    predicted[labels == 31] = 15  # no train is ever found, and some are seen where there is none
    return labels, instances, predicted


@pytest.fixture
def dataset(tmp_path):
    """Two images in the data set's folders."""
    for number, city in enumerate(("aachen", "bonn")):
        labels, instances, _ = made(number)
        stem = f"{city}_00000{number}_000019"
        for part in ("leftImg8bit", "gtFine"):
            (tmp_path / part / "val" / city).mkdir(parents=True)
        ground = tmp_path / "gtFine" / "val" / city
        Image.new("RGB", SIZE[::-1]).save(tmp_path / "leftImg8bit" / "val" / city / f"{stem}_leftImg8bit.png")
        Image.fromarray(labels.astype(np.uint8)).save(ground / f"{stem}_gtFine_labelIds.png")
        Image.fromarray(instances.astype(np.uint16)).save(ground / f"{stem}_gtFine_instanceIds.png")
    return tmp_path


def scored(dataset):
    scores = Scores()
    for number, frame in enumerate(frames(dataset)):
        labels = read_ids(frame.labels, len(LABELS) - 1)
        instances = None if frame.instances is None else read_ids(frame.instances, 65535)
        scores.add(made(number)[2], labels, instances)
    return scores


def test_scores_are_those_of_the_official_script(dataset):
    scores = scored(dataset)
    for found, official in ((scores.classes(), OFFICIAL_CLASSES), (scores.categories(), OFFICIAL_CATEGORIES)):
        assert list(found) == list(official)
        for name, pair in official.items():
            assert found[name] == pytest.approx(pair, rel=1e-9, nan_ok=True), name


def test_without_instance_ids_there_is_no_instance_score(dataset):
    next(dataset.rglob("*_instanceIds.png")).unlink()
    scores = scored(dataset)
    assert all(isnan(weighted) for _, weighted in (*scores.classes().values(), *scores.categories().values()))
    assert scores.classes()["car"][0] == pytest.approx(OFFICIAL_CLASSES["car"][0])


@pytest.mark.parametrize("log", in_reference(*LOGS))
def test_the_tables_have_the_layout_of_the_releases_logs(reference, log):
    # The reader's own newlines must not swallow the carriage returns of the progress line.
    lines = log_lines((reference / "release" / "logs" / log).read_bytes().decode())
    start = next(index for index, line in enumerate(lines) if line.startswith("-----"))
    shares, priors = np.zeros((len(LABELS), len(LABELS))), np.zeros(len(LABELS))
    for line in lines[start + 3 :]:
        if line.startswith("-----"):
            break
        name, _, numbers = line.partition("|")
        (index,) = (index for index, label in enumerate(LABELS) if label.name[:13] == name.strip())
        *row, prior = map(float, numbers.split())
        # What rounds to nothing is there all the same, or it would have no line.
        shares[index], priors[index] = row, prior or 1e-6
    tables = score_tables(lines)
    ours = [line.rstrip() for line in matrix_table(shares, priors)]
    assert ours == lines[start : start + len(ours)]
    for title, scores in tables.items():
        ours = score_table(title, scores)
        begin = lines.index(ours[0].rstrip())
        # The log's means are of unrounded scores.
        assert [line for line in ours if "Average" not in line] == [
            line for line in lines[begin : begin + len(ours)] if "Average" not in line
        ]
        published = re.search(r": (\S+) +(\S+)", lines[begin + len(ours) - 2])
        for column, average in zip(zip(*scores.values(), strict=True), published.groups(), strict=True):
            assert mean(column) == pytest.approx(float(average), abs=1.01e-3)


def test_the_tables_of_one_log_have_its_lines():
    """tests/truths/cityscapes.json has the numbers of one log and digests of its lines."""
    shares, priors = np.zeros((len(LABELS), len(LABELS))), np.zeros(len(LABELS))
    for index, *row, prior in printed_rows():
        shares[index], priors[index] = row, prior or 1e-6
    assert digest([line.rstrip() for line in matrix_table(shares, priors)]) == PRINTED["matrix"]
    lines = [line for title, scores in printed_scores().items() for line in score_table(title, scores)]
    assert table_digest(lines) == PRINTED["tables"]


def test_ious_follow_from_the_releases_own_matrix():
    """A log's shares and priors, to two and four decimals, give the log's IoUs to what that rounding leaves."""
    scores = Scores()
    for index, *shares, prior in printed_rows():
        scores.pixels[index] = np.rint(np.array(shares) * prior * 1e8).astype(np.int64)
    for title, found in (("classes", scores.classes()), ("categories", scores.categories())):
        for name, (iou, _) in printed_scores()[title].items():
            assert found[name][0] == pytest.approx(iou, abs=0.09), name
    assert scores.classes()["road"][0] == pytest.approx(0.98, abs=0.01)


def printed_rows():
    """Of each row of the log's matrix the label's index, the shares and the prior."""
    for name, numbers in PRINTED["rows"].items():
        (index,) = (index for index, label in enumerate(LABELS) if label.name[:13] == name)
        yield index, *map(float, numbers.split())


def printed_scores():
    return {
        title: {name: tuple(map(float, pair.split())) for name, pair in table.items()}
        for title, table in PRINTED["scores"].items()
    }


def test_the_printed_report_reads_back(dataset):
    scores = scored(dataset)
    tables = score_tables(str(scores).split("\n"))
    for title, found in (("classes", scores.classes()), ("categories", scores.categories())):
        for name, pair in found.items():
            assert tables[title][name] == pytest.approx(pair, abs=5.1e-4, nan_ok=True)


def test_the_nineteen_classes():
    assert len(CLASSES) == len(COLOURS) == len(LABEL_IDS) == 19
    assert [LABELS[index].train_id for index in LABEL_IDS] == list(range(19))
    assert CLASSES[:3] == ("road", "sidewalk", "building") and LABEL_IDS[-1] == 33


def test_faults_name_the_file(dataset, tmp_path):
    with pytest.raises(CaffeError, match="leftImg8bit/test: no such folder"):
        frames(dataset, "test")
    labels = next(dataset.rglob("*_labelIds.png"))
    Image.fromarray(np.full(SIZE, 34, np.uint8)).save(labels)
    with pytest.raises(CaffeError, match=r"labelIds\.png: found ids of 34 to 34, expected 0 to 33"):
        read_ids(labels, 33)
    Image.new("RGB", SIZE).save(labels)
    with pytest.raises(CaffeError, match="found 3 channels, expected one"):
        read_ids(labels, 33)
    labels.write_bytes(b"")
    with pytest.raises(CaffeError, match="cannot be read as an image"):
        read_ids(labels, 33)
    labels.unlink()
    with pytest.raises(CaffeError, match="expected the labels of"):
        frames(dataset)
    for image in dataset.rglob("*_leftImg8bit.png"):
        image.unlink()
    with pytest.raises(CaffeError, match="found no"):
        frames(dataset)


def test_another_size_or_class_is_refused():
    labels = np.zeros(SIZE, np.int64)
    with pytest.raises(CaffeError, match=r"prediction: found \(2, 2\), expected the size of the labels, \(24, 40\)"):
        Scores().add(np.zeros((2, 2), np.int64), labels)
    with pytest.raises(CaffeError, match="found classes up to 19, expected 0 to 18"):
        Scores().add(np.full(SIZE, 19), labels)
