"""Pictures of street scenes, as a person types it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from caffe_zoo import segment
from caffe_zoo.models import load_network
from caffe_zoo.segmentation import colour_map, overlay
from converters import save_weights
from prototxt_gen.trace import trace


@pytest.mark.parametrize("kind", [None, "--overlay", "--labels"])
def test_the_command_writes_a_picture(run, small, frames, tmp_path, kind):
    source = frames / "frame1.png"
    arguments = [kind] if kind else []
    run("segment", "small", source, "-o", tmp_path / "out.png", "--weights", small, *arguments)
    with Image.open(tmp_path / "out.png") as written, Image.open(source) as photo:
        labels = segment("small", source, small)
        expected = {None: colour_map(labels), "--overlay": overlay(np.asarray(photo), labels), "--labels": labels}[kind]
        np.testing.assert_array_equal(np.asarray(written), expected)


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("torch", ["--threads", "1"]),
        ("onnxruntime", ["--threads", "1"]),
        ("openvino", ["--threads", "1", "--engine-device", "auto:cpu"]),
    ],
)
def test_the_command_takes_an_engine_and_its_options(run, fault, small, frames, tmp_path, engine, options):
    pytest.importorskip(engine)
    words = ("segment", "small", frames / "frame1.png", "--weights", small, "--labels", "--engine", engine)
    run(*words, "-o", tmp_path / "out.png", *options)
    with Image.open(tmp_path / "out.png") as written:
        assert (np.asarray(written) == segment("small", frames / "frame1.png", small)).mean() > 0.999
    assert f"engine {engine}: precision: found 'int4'" in fault(*words, "-o", "x.png", "--precision", "int4")


def test_the_command_takes_folders(run, small, frames, tmp_path):
    (frames / "notes.txt").write_text("")
    out = tmp_path / "out"
    run("segment", "small", frames, "-o", out, "--weights", small, "--labels", "--batch", 2)
    assert sorted(path.name for path in out.iterdir()) == ["frame0.png", "frame1.png", "frame2.png"]
    for path in out.iterdir():
        with Image.open(path) as written:
            assert (np.asarray(written) == segment("small", frames / path.name, small)).mean() > 0.999


def expected(path, small):
    return colour_map(segment("small", path, small))


def test_several_images_go_to_a_folder(run, small, frames, tmp_path):
    """As a shell makes of frames/*.png."""
    out = tmp_path / "out"
    files = sorted(frames.glob("*.png"))
    assert run("segment", "small", *files, "-o", out, "--weights", small) == f"{out}: 3 images\n"
    assert sorted(path.name for path in out.iterdir()) == [path.name for path in files]
    for path in files:
        with Image.open(out / path.name) as written:
            np.testing.assert_array_equal(np.asarray(written), expected(path, small))


def test_files_and_folders_may_be_mixed(run, small, frames, tmp_path):
    extra = tmp_path / "extra.png"
    Image.new("RGB", (70, 50)).save(extra)
    run("segment", "small", extra, frames, "-o", f"{tmp_path}/out/", "--weights", small)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "extra.png",
        *(path.name for path in frames.iterdir()),
    }


@pytest.mark.parametrize("exists", [True, False])
def test_one_image_goes_to_a_folder_that_is_there_or_ends_in_a_slash(run, small, frames, tmp_path, exists):
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    run("segment", "small", frames / "frame0.png", "-o", out if exists else f"{out}/", "--weights", small)
    assert [path.name for path in out.iterdir()] == ["frame0.png"]


def test_several_images_do_not_fit_in_one_file(fault, small, frames, tmp_path):
    files = sorted(frames.glob("*.png"))
    for output in (tmp_path / "out.png", frames):
        said = fault("segment", "small", *files, "-o", output, "--weights", small)
        assert "expected a folder, for the results of 3 images" in said or "is one of the inputs" in said
    (tmp_path / "other").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "other" / "frame1.png")
    said = fault("segment", "small", *files, tmp_path / "other", "-o", tmp_path / "out", "--weights", small)
    assert "frame1.png: " in said and "would both be written there" in said
    (tmp_path / "file").write_text("")
    assert "file: cannot be made" in fault("segment", "small", *files, "-o", tmp_path / "file", "--weights", small)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.png").exists()


def test_faults_are_one_line_and_leave_nothing(fault, small, frames, tmp_path):
    out = tmp_path / "out.png"
    frame = frames / "frame1.png"
    assert "48x100, expected 64x128" in fault("segment", "small", frame, "-o", out, "--weights", small, "--no-resize")
    assert "nowhere.png: no such file" in fault("segment", "small", "nowhere.png", "-o", out)
    assert "is one of the inputs" in fault("segment", "small", frame, "-o", frame, "--weights", small)
    assert "out.jpg: expected a name that ends in .png" in fault(
        "segment", "small", frame, "-o", tmp_path / "out.jpg", "--weights", small
    )
    assert "net.bin: ncnn's weights are two files" in fault(
        "segment", "small", frame, "-o", out, "--weights", "net.bin"
    )
    assert "`classify` is for it" in fault("segment", "df1", frame, "-o", out, "--weights", small)
    assert "`segment` is for it" in fault("classify", "small", frame, "--weights", small)
    assert "small.caffemodel: weights do not fit" in fault(
        "segment", "small", frame, "-o", out, "--weights", small, "--classes", 7
    )
    frame.write_bytes(frame.read_bytes()[:2000])
    assert "frame1.png: cannot be read as an image" in fault("segment", "small", frame, "-o", out, "--weights", small)
    assert not out.exists()
    Image.new("RGB", (4, 4)).save(frames / "frame0.jpg")
    assert "would both be written" in fault("segment", "small", frames, "-o", tmp_path / "out", "--weights", small)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "found no image" in fault("segment", "small", empty, "-o", tmp_path / "out", "--weights", small)
    assert not (tmp_path / "out").exists()


def test_the_weights_go_through_a_caffemodel(run, pl1a, tmp_path):
    files, _, folder = pl1a
    net, weights = load_network("pl1a_seg", files)
    # Caffe stops at a layer that has none of its blobs in the file.
    assert weights.keys() == {row.name for row in trace(net) if row.blob_shapes}
    save_weights(weights, tmp_path / "pl1a.caffemodel", net)
    frame = folder / "frame001.png"
    for name, source in (("a.png", files), ("b.png", tmp_path / "pl1a.caffemodel")):
        run("segment", "pl1a_seg", frame, "-o", tmp_path / name, "--weights", source, "--overlay")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
