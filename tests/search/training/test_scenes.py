"""Scenes: scaled and cut with their labels, mean IoU as Cityscapes' own script has it, faults named."""

import random
from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from PIL import Image

from converters.cityscapes import LABEL_IDS, Scores, frames, mean, read_ids
from converters.labels import IGNORED
from converters.pytorch.module import to_torch
from prototxt_gen.architectures import Pyramid, parse_backbone
from prototxt_gen.errors import ArchitectureError, FileError, FormatError, TrainingError
from prototxt_gen.generator.networks import generate
from prototxt_gen.text import read_prototxt
from search.latency import Entry, LatencyTable, space_parts
from search.report.boundary import write_report
from search.spaces import BackboneSpace, DecoderSpace
from search.study.loop import run_search
from search.training.augmentation import Augmentation
from search.training.dataset import Split, on_device, preprocess
from search.training.scenes import MEAN_BGR, Scenes, cityscapes, enlarged, scaled
from search.training.schedule import Schedule
from search.training.training import evaluate, train

DECODER = "s4-8_b8_b16_b16_p4-8_d8-8-8_u8_c19"
SIZE = (32, 64)
NET = generate(DECODER, input_shape=(1, 3, *SIZE))


def write(root, part, city, number, labels, colours=None):
    """One frame: label ids and, unless told otherwise, a grey that says which they are."""
    stem = f"{city}_{number:06}_000019"
    image = np.repeat((labels * 7)[..., None], 3, -1).astype(np.uint8) if colours is None else colours
    for folder, name, pixels in (
        ("leftImg8bit", f"{stem}_leftImg8bit.png", image),
        ("gtFine", f"{stem}_gtFine_labelIds.png", np.asarray(labels, np.uint8)),
    ):
        target = root / folder / part / city
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target / name)
    return root


@pytest.fixture
def root(tmp_path):
    """Road below, sky above, a car somewhere; the upper left corner belongs to no class."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 6), ("val", 3)):
        for number in range(count):
            labels = np.full((48, 96), 23)
            labels[24:] = 7
            left = int(rng.integers(0, 70))
            labels[20:32, left : left + 24] = 26
            labels[:8, :8] = 0
            write(tmp_path, part, "ulm" if number % 2 else "bonn", number, labels)
    return tmp_path


def test_the_mean_iou_is_that_of_the_official_script(root):
    """`Scores` is held against cityscapesScripts in tests/converters/test_cityscapes.py."""
    data = cityscapes(root, SIZE)
    module = to_torch(NET).eval()
    official = Scores()
    for frame in frames(root, "val"):
        image = Image.open(frame.image).resize(SIZE[::-1], Image.Resampling.BILINEAR)
        with torch.inference_mode():
            scores = module(preprocess(np.asarray(image)[None], MEAN_BGR))
        labels = read_ids(frame.labels, 33)
        official.add(enlarged(scores, labels.shape).argmax(dim=1)[0].numpy(), labels)
    expected = mean(score for score, _ in official.classes().values())
    assert evaluate(module, data.held_out) == pytest.approx(expected, abs=1e-12)


def test_perfect_scores_are_one_and_classes_that_do_not_occur_do_not_count(root):
    data = cityscapes(root, SIZE)
    batch = data.held_out.read([0], None, Augmentation())
    (labels,) = batch.targets
    known = torch.where(labels == IGNORED, 0, labels.long())
    scores = torch.nn.functional.one_hot(known, 19).permute(2, 0, 1).float()
    assert data.held_out.score([(scores[None], [labels])]) == 1.0
    wrong = torch.zeros_like(scores)
    wrong[10] = 1  # sky everywhere
    sky, road, car = ((labels == number).sum().item() for number in (10, 0, 13))
    assert data.held_out.score([(wrong[None], [labels])]) == pytest.approx(sky / (sky + road + car) / 3)


def test_decoders_learn_scenes_and_come_out_the_same_again(root):
    data = cityscapes(root, SIZE)
    _, accuracy = train(NET, data, Schedule(epochs=24, batch_size=3, scales=(0.75, 1.5)))
    assert accuracy > 0.5
    short = Schedule(epochs=2, batch_size=3, jitter=0.3)
    weights, accuracy = train(NET, data, short)
    again, same = train(NET, data, short, readers=1)
    assert same == accuracy and all(np.array_equal(again[name][0], blobs[0]) for name, blobs in weights.items())
    assert evaluate(to_torch(NET, weights), data.held_out) == accuracy


def test_decoders_that_do_not_enlarge_their_scores_are_trained_at_their_size(root):
    net = generate(DECODER.replace("_u8", ""), input_shape=(1, 3, *SIZE))
    _, accuracy = train(net, cityscapes(root, SIZE), Schedule(epochs=12, batch_size=3, scales=(0.75, 1.5)))
    assert accuracy > 0.4


@pytest.mark.parametrize("factor", [0.3, 0.75, 1.0, 1.7, 4.0])
def test_labels_stay_on_their_colours(factor):
    labels = np.zeros((60, 120), np.uint8)
    labels[10:35, 50:110] = 18
    labels[40:, :30] = 5
    image = Image.fromarray(np.repeat((labels * 10)[..., None], 3, -1))
    seen = set()
    for across, down in ((0, 0), (1, 1), (0.5, 0.5), (0.2, 0.9)):
        pixels, targets = scaled(image, labels, (30, 64), factor, across, down)
        assert pixels.shape == (30, 64, 3) and targets.shape == (30, 64)
        inside = targets != IGNORED
        # Bilinear colours differ from the nearest label's along edges alone, a pixel or two wide.
        off = np.abs(pixels[..., 0].astype(int) - targets * 10) > 60
        assert off[inside].mean() < 0.12
        assert (pixels[~inside] == (73, 83, 72)).all()
        share = min(1.0, round(30 * factor) * round(64 * factor) / (30 * 64))
        assert inside.mean() == pytest.approx(share)
        seen |= set(np.unique(targets[inside]))
    assert seen == {0, 5, 18}


def test_random_scenes_follow_the_seed_and_fill_the_input(root):
    train_part = cityscapes(root, SIZE).train
    one, again, other = (train_part.read([0, 1], random.Random(seed), Augmentation()) for seed in (1, 1, 2))
    assert torch.equal(one.inputs, again.inputs) and torch.equal(one.targets, again.targets)
    assert not torch.equal(one.inputs, other.inputs)
    assert one.inputs.shape == (2, *SIZE, 3) and one.targets.shape == (2, *SIZE)
    whole = train_part.read([0], random.Random(1), Augmentation(scales=(1.0, 1.0), mirror=False))
    plain = train_part.read([0], None, Augmentation())
    assert torch.equal(whole.inputs, plain.inputs)
    # Half of them are mirrored, if that is allowed: the corner without a class tells.
    corners = [
        train_part.read([0], random.Random(seed), Augmentation(scales=(1.0, 1.0))).targets[0, 0, 0].item() == IGNORED
        for seed in range(60)
    ]
    assert 15 < sum(corners) < 45


def test_some_scenes_are_those_and_no_others(root):
    scenes = cityscapes(root, SIZE).train
    assert len(scenes) > 1
    some = scenes.some([len(scenes) - 1])
    assert len(some) == 1
    inputs, targets = some.read([0], None, Augmentation())
    expected, labels = scenes.read([len(scenes) - 1], None, Augmentation())
    assert torch.equal(inputs, expected)
    assert torch.equal(targets[0], labels[0])


def test_pixels_that_belong_to_no_class_have_no_loss():
    part = Scenes((), (2, 4), 3)
    scores = torch.randn(1, 3, 2, 4, requires_grad=True)
    ignored = torch.full((1, 2, 4), IGNORED, dtype=torch.uint8)
    loss = part.loss(scores, ignored, 0.1)
    loss.backward()
    assert loss.item() == 0 and not scores.grad.any()
    one = ignored.clone()
    one[0, 1, 2] = 2
    assert part.loss(torch.zeros(1, 3, 2, 4), one, 0.0).item() == pytest.approx(log(3))
    # Where there are fewer scores, the label in the middle of each one's share counts.
    middle = ignored.clone()
    middle[0, 1, 1], middle[0, 1, 3] = 0, 1
    scores = torch.tensor([[[[9.0, 0.0]], [[0.0, 9.0]], [[0.0, 0.0]]]])
    assert part.loss(scores, middle, 0.0).item() < 0.001


def test_scores_of_nothing_at_all_are_an_error():
    part = Scenes((), (2, 4), 3)
    with pytest.raises(TrainingError, match=r"no pixel with a class"):
        part.score([(torch.zeros(1, 3, 2, 4), [torch.full((2, 4), IGNORED, dtype=torch.uint8)])])


def test_pixels_become_what_caffes_decoders_take():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3)).astype(np.uint8)
    expected = preprocess(pixels, MEAN_BGR)
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(on_device(torch.from_numpy(pixels), MEAN_BGR, "cpu", layout), expected)


def test_files_that_are_missing_or_wrong_are_named(root, tmp_path):
    with pytest.raises(FileError, match=r"leftImg8bit.train: no such folder; Cityscapes has leftImg8bit/train and"):
        cityscapes(tmp_path / "elsewhere", SIZE)
    label = next((root / "gtFine" / "train").rglob("*_labelIds.png"))
    kept = label.read_bytes()
    label.unlink()
    with pytest.raises(FileError, match=r"labelIds\.png: no such file, expected the labels of"):
        cityscapes(root, SIZE)
    with pytest.raises(FileError, match=r"labelTrainIds\.png: no such file"):
        cityscapes(root, SIZE, ids="train")

    def read():
        data = cityscapes(root, SIZE)
        data.train.read(range(6), random.Random(0), Augmentation())

    values = np.full((48, 96), 7, np.uint8)
    values[5, 9] = 34
    Image.fromarray(values).save(label)
    with pytest.raises(FormatError, match=r"labelIds\.png: found 34 at row 5, column 9, expected a label id 0 to 33"):
        read()
    Image.fromarray(values[:40]).save(label)
    with pytest.raises(FormatError, match="34 at row 5"):
        read()
    Image.fromarray(np.full((40, 96), 7, np.uint8)).save(label)
    with pytest.raises(FormatError, match=r"labelIds\.png: found 40x96 labels, expected 48x96, the size of"):
        read()
    label.write_bytes(kept[:40])
    with pytest.raises(FormatError, match=r"labelIds\.png: cannot be read as an image"):
        read()
    label.write_bytes(kept)
    assert len(LABEL_IDS) == 19


def test_train_ids_of_any_number_of_classes(root):
    for path in (root / "gtFine").rglob("*_labelIds.png"):
        ids = np.asarray(Image.open(path))
        train_ids = np.select([ids == 7, ids == 23, ids == 26], [0, 1, 2], IGNORED).astype(np.uint8)
        Image.fromarray(train_ids).save(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    data = cityscapes(root, SIZE, classes=3, ids="train")
    assert data.classes == ("0", "1", "2") and data.identity != cityscapes(root, SIZE).identity
    net = generate(DECODER.replace("_c19", "_c3"), input_shape=(1, 3, *SIZE))
    assert 0 <= evaluate(to_torch(net), data.held_out) <= 1
    fewer = cityscapes(root, SIZE, classes=2, ids="train")
    with pytest.raises(FormatError, match=r"found 2 at row .*, expected a class 0 to 1, or 255"):
        fewer.held_out.read(range(3), None, Augmentation())


def test_scenes_are_for_decoders_and_images_are_not(root, tmp_path):
    data = cityscapes(root, SIZE)
    trunk = parse_backbone("s4-8_b8_b16_b16_c19")
    decoders = DecoderSpace(trunk, ((8, 16), (8,), (8,)), pyramid=Pyramid(4, 8), input_shape=(1, 3, *SIZE))
    backbones = BackboneSpace(((1, 1),), (8,), stem=(4, 8), classes=19, input_shape=(1, 3, *SIZE))
    with pytest.raises(ArchitectureError, match="its networks give one class to each image, the data a class to each"):
        run_search(backbones, data, tmp_path / "run")
    images = replace(data, train=Split(torch.zeros(4, dtype=torch.long), lambda indices, rng: torch.zeros(0)))
    with pytest.raises(ArchitectureError, match="its networks give a class to each pixel, the data one class to each"):
        run_search(decoders, images, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_search_for_decoders(root, tmp_path):
    """From scenes to decoders with their weights, merged and unmerged."""
    data, shape = cityscapes(root, SIZE), (1, 3, *SIZE)
    trunk = parse_backbone("s4-8_b8_b16_b16_c19")
    space = DecoderSpace(trunk, ((8, 16), (8,), (8,)), pyramid=Pyramid(4, 8), input_shape=shape)
    entries = {key: Entry(1.0 + len(key) / 100, (0.0, 0.0), 1, part.label) for key, part in space_parts(space).items()}
    schedule = Schedule(epochs=2, batch_size=3)
    table = LatencyTable({"engine": "made up"}, entries, call_ms=1e-6)
    search = run_search(space, data, tmp_path / "run", table=table, trials=2, schedule=schedule)
    found = write_report(search, tmp_path / "run", None, data, schedule)
    assert search.counts()["trained"] == 2 and found
    for network in found:
        for prototxt, weights in (
            (network.prototxt, network.caffemodel),
            (network.merged_prototxt, network.merged_caffemodel),
        ):
            module = to_torch(read_prototxt(tmp_path / "run" / prototxt), tmp_path / "run" / weights)
            assert evaluate(module, data.held_out) == pytest.approx(network.accuracy, abs=1e-3)
        train_val = read_prototxt((tmp_path / "run" / network.prototxt).with_name("train_val.prototxt"))
        # Caffe would mirror images without their labels.
        assert not any(layer.transform_param.mirror for layer in train_val.layer)
