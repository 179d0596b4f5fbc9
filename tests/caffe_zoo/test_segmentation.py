"""Street scenes to labels and pictures, from Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from caffe_zoo import cards, create_model, segment
from caffe_zoo.models import network, runner
from caffe_zoo.preprocess import preprocess
from caffe_zoo.segmentation import colour_map, labels_of, overlay, segmenter
from converters import make_engine, to_torch, weights_of
from converters.cityscapes import COLOURS
from prototxt_gen import CaffeError

SIZE = (64, 128)


def test_labels_are_where_the_scores_are_best(small, frames):
    path = frames / "frame0.png"
    with torch.no_grad():
        blob = torch.from_numpy(preprocess(path, cards.card("small").preprocessing))
        scores = create_model("small", small)(blob)[0]
    labels = segment("small", path, small)
    assert labels.shape == SIZE and labels.dtype == np.uint8
    assert (labels == scores.argmax(0).numpy()).mean() > 0.999  # batch norm is folded: some ties fall otherwise


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_other_engines_give_the_same(small, frames, engine):
    pytest.importorskip(engine)
    for path in frames.iterdir():
        first, second, third = (
            segment("small", path, small, engine=one) for one in ("torch", engine, make_engine(engine, threads=1))
        )
        assert (first == second).mean() > 0.999 and (second == third).all()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["df1seg_d8", "pl1a_seg"])
def test_other_engines_take_batches(name, engine):
    pytest.importorskip(engine)
    net = network(name, input_size=(96, 160))
    weights = weights_of(to_torch(net))
    blob = np.random.default_rng(0).normal(size=(3, 3, 96, 160)).astype(np.float32)
    expected, found = (runner(net, weights, engine)(blob) for engine in ("torch", engine))
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_frames_of_other_sizes_are_resized_or_refused(small, frames):
    assert segment("small", frames / "frame1.png", small).shape == (48, 100)
    with pytest.raises(CaffeError, match=r"frame1\.png: found an image of 48x100, expected 64x128"):
        segment("small", frames / "frame1.png", small, resize=False)
    assert segment("small", frames / "frame0.png", small, input_size=(96, 160)).shape == SIZE


def test_scores_are_enlarged_at_pixel_centres():
    scores = np.zeros((2, 1, 2), np.float32)
    scores[1, 0] = (-1, 3)  # crosses zero at a quarter of the way between the two centres
    assert labels_of(scores, (2, 16)).tolist() == [[0] * 6 + [1] * 10] * 2
    with pytest.raises(CaffeError, match="expected"):
        labels_of(np.zeros((300, 2, 2), np.float32), (2, 2))


@pytest.mark.parametrize("shape", [(1, 1, 1), (19, 33, 5), (3, 64, 2), (256, 7, 7)])
def test_of_equal_scores_the_first_is_best(shape):
    scores = np.random.default_rng(0).integers(-3, 3, shape).astype(np.float32)
    np.testing.assert_array_equal(labels_of(scores, shape[1:]), scores.argmax(0))


def test_colours():
    labels = np.arange(19)[None]
    np.testing.assert_array_equal(colour_map(labels)[0], COLOURS)
    photo = np.full((1, 19, 3), 100, np.uint8)
    np.testing.assert_array_equal(overlay(photo, labels)[0, 0], (114, 82, 114))
    with pytest.raises(CaffeError, match="classes up to 19"):
        colour_map(np.array([[19]]))


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


def test_ncnn_files_of_another_network(pl1a, small):
    with pytest.raises(CaffeError, match=r"param\.bin: not of small: layer 1 with weights: found .*, expected 'conv1'"):
        create_model("small", pl1a[0])
