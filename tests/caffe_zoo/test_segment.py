"""`segment` and `evaluate` of street scenes, from Python and as a person types it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from caffe_zoo import cards, create_model, segment
from caffe_zoo.cityscapes import COLOURS, LABELS, Scores, frames, read_ids
from caffe_zoo.cli import main
from caffe_zoo.models import load_network, network, runner
from caffe_zoo.preprocess import preprocess
from caffe_zoo.segmentation import colour_map, labels_of, overlay, segmenter
from converters import save_weights, to_torch, weights_of
from prototxt_gen import CaffeError, parse_architecture
from prototxt_gen.trace import trace

SIZE = (64, 128)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A small network in the zoo, `small`, and the path of weights for it."""
    card = cards.Card(
        name="small",
        architecture=parse_architecture("s4-8_b8_b8_b8_p8-16_d8-8-8_u8_c19"),
        preprocessing=replace(cards.WHOLE_FRAME, crop=SIZE),
        kind="segmentation",
    )
    monkeypatch.setattr(cards, "CARDS", {**cards.CARDS, "small": card})
    torch.manual_seed(0)
    net = network("small")
    save_weights(weights_of(to_torch(net)), tmp_path / "small.caffemodel", net)
    return str(tmp_path / "small.caffemodel")


@pytest.fixture
def folder(tmp_path):
    """Three frames in a folder: one of the network's size, two of others, one of them grey."""
    path = tmp_path / "frames"
    path.mkdir()
    rng = np.random.default_rng(0)
    for number, shape in enumerate([(64, 128, 3), (48, 100, 3), (70, 70)]):
        Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(path / f"frame{number}.png")
    return path


def command(*arguments):
    return main([str(argument) for argument in arguments])


def fault(capsys, *arguments):
    """The one line that a wrong command line leaves on standard error."""
    assert command(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    return printed.err


def test_labels_are_where_the_scores_are_best(small, folder):
    path = folder / "frame0.png"
    with torch.no_grad():
        blob = torch.from_numpy(preprocess(path, cards.card("small").preprocessing))
        scores = create_model("small", small)(blob)[0]
    labels = segment("small", path, small)
    assert labels.shape == SIZE and labels.dtype == np.uint8
    assert (labels == scores.argmax(0).numpy()).mean() > 0.999  # batch norm is folded: some ties fall otherwise


def test_onnxruntime_gives_the_same(small, folder):
    pytest.importorskip("onnxruntime")
    for path in folder.iterdir():
        first, second = (segment("small", path, small, engine=engine) for engine in ("torch", "onnxruntime"))
        assert (first == second).mean() > 0.999


@pytest.mark.parametrize("name", ["df1seg_d8", "pl1a_seg"])
def test_onnxruntime_takes_batches(name):
    pytest.importorskip("onnxruntime")
    net = network(name, input_size=(96, 160))
    weights = weights_of(to_torch(net))
    blob = np.random.default_rng(0).normal(size=(3, 3, 96, 160)).astype(np.float32)
    expected, found = (runner(net, weights, engine)(blob) for engine in ("torch", "onnxruntime"))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_frames_of_other_sizes_are_resized_or_refused(small, folder):
    assert segment("small", folder / "frame1.png", small).shape == (48, 100)
    with pytest.raises(CaffeError, match=r"frame1\.png: found an image of 48x100, expected 64x128"):
        segment("small", folder / "frame1.png", small, resize=False)
    assert segment("small", folder / "frame0.png", small, input_size=(96, 160)).shape == SIZE


def test_scores_are_enlarged_at_pixel_centres():
    scores = np.zeros((2, 1, 2), np.float32)
    scores[1, 0] = (-1, 3)  # crosses zero at a quarter of the way between the two centres
    assert labels_of(scores, (2, 16)).tolist() == [[0] * 6 + [1] * 10] * 2
    with pytest.raises(CaffeError, match="expected"):
        labels_of(np.zeros((300, 2, 2), np.float32), (2, 2))


def test_colours():
    labels = np.arange(19)[None]
    np.testing.assert_array_equal(colour_map(labels)[0], COLOURS)
    photo = np.full((1, 19, 3), 100, np.uint8)
    np.testing.assert_array_equal(overlay(photo, labels)[0, 0], (114, 82, 114))
    with pytest.raises(CaffeError, match="classes up to 19"):
        colour_map(np.array([[19]]))


@pytest.mark.parametrize("kind", [None, "--overlay", "--labels"])
def test_the_command_writes_a_picture(small, folder, tmp_path, capsys, kind):
    source = folder / "frame1.png"
    arguments = [kind] if kind else []
    assert command("segment", "small", source, "-o", tmp_path / "out.png", "--weights", small, *arguments) == 0
    with Image.open(tmp_path / "out.png") as written, Image.open(source) as photo:
        labels = segment("small", source, small)
        expected = {None: colour_map(labels), "--overlay": overlay(np.asarray(photo), labels), "--labels": labels}[kind]
        np.testing.assert_array_equal(np.asarray(written), expected)


def test_the_command_takes_folders(small, folder, tmp_path, capsys):
    (folder / "notes.txt").write_text("")
    out = tmp_path / "out"
    assert command("segment", "small", folder, "-o", out, "--weights", small, "--labels", "--batch", 2) == 0
    assert sorted(path.name for path in out.iterdir()) == ["frame0.png", "frame1.png", "frame2.png"]
    for path in out.iterdir():
        with Image.open(path) as written:
            assert (np.asarray(written) == segment("small", folder / path.name, small)).mean() > 0.999


def test_faults_are_one_line_and_leave_nothing(small, folder, tmp_path, capsys):
    out = tmp_path / "out.png"
    frame = folder / "frame1.png"
    assert "48x100, expected 64x128" in fault(
        capsys, "segment", "small", frame, "-o", out, "--weights", small, "--no-resize"
    )
    assert "nowhere.png: no such file" in fault(capsys, "segment", "small", "nowhere.png", "-o", out)
    assert "is also to be read" in fault(capsys, "segment", "small", frame, "-o", frame, "--weights", small)
    assert "out.jpg: expected a name that ends in .png" in fault(
        capsys, "segment", "small", frame, "-o", tmp_path / "out.jpg", "--weights", small
    )
    assert "net.bin: ncnn's weights are two files" in fault(
        capsys, "segment", "small", frame, "-o", out, "--weights", "net.bin"
    )
    assert "`classify` is for it" in fault(capsys, "segment", "df1", frame, "-o", out, "--weights", small)
    assert "`segment` is for it" in fault(capsys, "classify", "small", frame, "--weights", small)
    assert "small.caffemodel: weights do not fit" in fault(
        capsys, "segment", "small", frame, "-o", out, "--weights", small, "--classes", 7
    )
    frame.write_bytes(frame.read_bytes()[:2000])
    assert "frame1.png: cannot be read as an image" in fault(
        capsys, "segment", "small", frame, "-o", out, "--weights", small
    )
    assert not out.exists()
    Image.new("RGB", (4, 4)).save(folder / "frame0.jpg")
    assert "would both be written" in fault(
        capsys, "segment", "small", folder, "-o", tmp_path / "out", "--weights", small
    )
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "found no image" in fault(capsys, "segment", "small", empty, "-o", tmp_path / "out", "--weights", small)
    assert not (tmp_path / "out").exists()


def test_evaluate_prints_the_scores_of_the_networks_labels(small, tmp_path, capsys):
    root = tmp_path / "cityscapes"
    rng = np.random.default_rng(1)
    for number, city in enumerate(("aachen", "bonn", "bonn")):
        stem = f"{city}_{number:06}_000019"
        for part in ("leftImg8bit", "gtFine"):
            (root / part / "val" / city).mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(root / "leftImg8bit" / "val" / city / f"{stem}_leftImg8bit.png")
        labels = rng.integers(0, len(LABELS), SIZE, np.uint8)
        Image.fromarray(labels).save(root / "gtFine" / "val" / city / f"{stem}_gtFine_labelIds.png")
    scores = Scores()
    for frame in frames(root):
        scores.add(segment("small", frame.image, small), read_ids(frame.labels, 33))
    assert command("evaluate", "small", "--data", root, "--weights", small, "--batch", 2) == 0
    assert capsys.readouterr().out == f"3 images\n\n{scores}\n"
    Image.new("L", (5, 5)).save(next(root.rglob("*_labelIds.png")))
    assert "expected the size of the labels, (5, 5)" in fault(
        capsys, "evaluate", "small", "--data", root, "--weights", small
    )
    assert "--list is for classification" in fault(
        capsys, "evaluate", "small", "--data", root, "--weights", small, "--list", "val.txt"
    )
    assert "expected 19" in fault(capsys, "evaluate", "small", "--data", root, "--weights", small, "--classes", 5)


@pytest.fixture
def pl1a(reference):
    """PL1A-Seg: ncnn's pair of its files, ncnn's scores and labels, and the folder of the frames."""
    folder = reference / "pl1a"
    return f"{folder}/pl1a_seg.ncnn.param.bin,{folder}/pl1a_seg.ncnn.bin", np.load(folder / "expected.npz"), folder


@pytest.mark.parametrize("frame", ["frame001", "frame120", "frame240", "frame300", "frame420", "frame540"])
def test_street_scenes_are_labelled_as_by_ncnn(pl1a, frame):
    """Up to the alignment of Interp, in which Caffe and ncnn differ: 2 to 3 labels in 100, more at edges."""
    files, expected, folder = pl1a
    run, preprocessing = segmenter("pl1a_seg", files)
    (scores,) = run(preprocess(folder / f"{frame}.png", preprocessing, resize=False))
    assert (scores.argmax(0) == expected[f"{frame}.up2_labels"]).mean() > 0.96


def test_labels_of_a_street_scene_are_enlarged_to_its_size(pl1a):
    files, expected, folder = pl1a
    labels = segment("pl1a_seg", folder / "frame001.png", files)
    assert labels.shape == (384, 640)
    assert (labels[2::4, 2::4] == expected["frame001.up2_labels"]).mean() > 0.96


def test_the_weights_go_through_a_caffemodel(pl1a, tmp_path, capsys):
    files, _, folder = pl1a
    net, weights = load_network("pl1a_seg", files)
    # Caffe stops at a layer that has none of its blobs in the file.
    assert weights.keys() == {row.name for row in trace(net) if row.blob_shapes}
    save_weights(weights, tmp_path / "pl1a.caffemodel", net)
    frame = folder / "frame001.png"
    for name, source in (("a.png", files), ("b.png", tmp_path / "pl1a.caffemodel")):
        assert command("segment", "pl1a_seg", frame, "-o", tmp_path / name, "--weights", source, "--overlay") == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_ncnn_files_of_another_network(pl1a, small):
    with pytest.raises(CaffeError, match=r"param\.bin: not of small: layer 1 with weights: found .*, expected 'conv1'"):
        create_model("small", pl1a[0])
