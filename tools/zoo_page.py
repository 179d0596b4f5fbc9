"""Writes docs/zoo.md: every network of the zoo in a table made from the cards. Run as `python tools/zoo_page.py`."""

from __future__ import annotations

from pathlib import Path

from caffe_zoo.cards import CARDS, Card
from prototxt_gen.errors import CaffeError
from prototxt_gen.files import write_bytes
from prototxt_gen.generator.networks import generate
from prototxt_gen.summary import summarize

PATH = Path(__file__).resolve().parent.parent / "docs" / "zoo.md"

_HEAD = """# The zoo

<!-- Made by `python tools/zoo_page.py`: change caffe_zoo/cards.py or tools/zoo_page.py. -->

Every network by its name, for `dongfeng`, `caffe_zoo.card` and `caffe_zoo.create_model`. Parameters, multiply-adds and
memory are counted from the network with batch norm merged, for one image of the size given; memory is that of all tops,
as Caffe counts it; peak is the most of it that is alive at once where what no later layer reads is freed
(`prototxt_gen/memory.py`). What is published is quoted, not measured here.
"""

_TAIL = """
## On your own device

```sh
dongfeng profile zoo --engine onnxruntime --threads 1 -o zoo.md
```

times every network in turn and prints the release's tables anew: milliseconds at 224x224, frames per second at
384x640, 1024x1024 and 1024x2048, memory, multiply-adds, each beside what is published and with its ratio to ResNet-18
or DF1-Seg: devices differ, ratios less so. `--networks` and `--sizes` choose; `docs/benchmarks.md` has such tables of
this project's machine.

## Weights

`dongfeng fetch df1` downloads what the authors released (with the extra `download`) and checks it against the network;
`weights_manifest.json` lists the files. The release gives no digests: the first download's is recorded, and a change is
an error from then on. Where no licence is stated, ask the authors before you ship their weights.

## Train further in Caffe

`dongfeng generate df1seg_d8 --form train_val -o train_val.prototxt` writes a network that reads lists of images and of
label maps. Each pixel of a label map is a class, so Caffe must not resize it: label maps need the size of the scores,
which the command prints. This makes them, from Cityscapes' own files (with `--ids train` from files of your own
classes):

```sh
dongfeng labels df1seg_d8 gtFine/train/*/*_labelIds.png -o labels/train/
```

Each score takes the label in the middle of its share of the image; 255 stands for pixels that do not count.

## See it on your own frames

We have no frames that we may pass on: make the pictures from your own. PL1A-Seg's weights were published in ncnn's
format, in the authors' demo for phones: `pl1a_seg.ncnn.param.bin` and `pl1a_seg.ncnn.bin`. With them, and a folder
of street scenes:

```sh
dongfeng segment pl1a_seg frames/ -o overlays/ --overlay --weights pl1a_seg.ncnn.param.bin,pl1a_seg.ncnn.bin
```

Other tools than ours want a prototxt and a caffemodel. Both come from

```python
from caffe_zoo import load_network
from converters import save_weights
from prototxt_gen import write_prototxt

net, weights = load_network("pl1a_seg", "pl1a_seg.ncnn.param.bin,pl1a_seg.ncnn.bin")
write_prototxt(net, "pl1a_seg.prototxt")
save_weights(weights, "pl1a_seg.caffemodel", net)
```

and `--weights pl1a_seg.caffemodel` then does what the pair does. The network has layers that only forks of Caffe know;
for stock BVLC Caffe, which computes the same,

```sh
dongfeng convert pl1a_seg.prototxt pl1a_seg.caffemodel stock.caffemodel --stock stock.prototxt
```

ncnn enlarges maps from pixel centres, Caffe's Interp, with which the authors trained, from corner to corner: about 3
labels in 100 differ from those of the phone.

`frames/` may be what `ffmpeg -i drive.mp4 frames/%05d.png` writes; `ffmpeg -i overlays/%05d.png drive_overlay.mp4`
makes a video again. Any other segmentation network goes the same way: `dongfeng fetch df1seg`, then
`dongfeng segment df1seg frame.png -o out.png`. The same from Python:

```python
from caffe_zoo import segment

labels = segment("df1seg", "frame.png")  # (height, width), Cityscapes' train ids 0 to 18
```
"""

#: How published figures are written, by the beginning of their key; what follows there is where they were measured.
_FORMATS = {
    "top1": "top-1 {:.2%}",
    "top5": "top-5 {:.2%}",
    "miou_val": "mIoU val {:.1%}",
    "miou_test": "mIoU test {:.1%}",
    "latency_ms": "{:g} ms",
    "fps": "{:g} fps",
    "multiply_adds_m": "{:g} M multiply-adds",
    "memory_mb": "{:g} MB",
}


def page() -> str:
    """The whole of docs/zoo.md."""
    parts = [_HEAD]
    for kind, title in (("classification", "Classification"), ("segmentation", "Segmentation")):
        cards = [card for card in CARDS.values() if card.kind == kind]
        if cards:
            parts.append("\n".join(["", f"## {title}", "", *_table(cards)]) + "\n")
    papers = dict.fromkeys(card.paper for card in CARDS.values())
    parts.append("\n".join(["", "## Sources", "", *[f"- {paper}" for paper in papers], ""]))
    parts.append("\n".join(["", "The authors' advice:", "", *_advice(), ""]))
    return "".join([*parts, _TAIL])


def _advice() -> list[str]:
    """Each line once, with the networks that it is for where these are few."""
    networks: dict[str, list[str]] = {}
    for card in CARDS.values():
        for line in card.advice:
            networks.setdefault(line, []).append(f"`{card.name}`")
    return [f"- {', '.join(names)}: {line}" if len(names) < 3 else f"- {line}" for line, names in networks.items()]


def _table(cards: list[Card]) -> list[str]:
    rows = ["| network | input | parameters | multiply-adds | memory | peak | published | released weights |"]
    rows.append("|---|---|---:|---:|---:|---:|---|---|")
    for card in cards:
        height, width = card.preprocessing.crop
        costs = summarize(generate(card.architecture, input_shape=(1, 3, height, width), merged=True))
        rows.append(
            f"| `{card.name}` | {height}x{width} | {costs.parameters / 1e6:.2f} M | {_count(costs.multiply_adds)} "
            f"| {costs.memory / 2**20:.0f} MiB | {costs.peak_memory / 2**20:.1f} MiB "
            f"| {_published(card)} | {_weights(card)} |"
        )
    codes = [f"- `{card.name}` is `{card.architecture}`" for card in cards]
    return [*rows, "", "As lines of code:", "", *codes]


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.1f} M"


def _weights(card: Card) -> str:
    names = ", ".join(file.name.removesuffix(".caffemodel") for file in card.weights)
    return f"{names}; licence: {card.licence}" if names else "-"


def _published(card: Card) -> str:
    found = []
    for begin, text in _FORMATS.items():
        for key, value in card.results.items():
            if key == begin:
                found.append(text.format(value))
            elif key.startswith(f"{begin}_"):
                where = key.removeprefix(f"{begin}_").replace("_", " ")
                found.append(f"{text.format(value)} ({where})")
    if len(found) != len(card.results):
        raise CaffeError(
            f"{card.name}: results: found {', '.join(card.results)}, expected keys of {', '.join(_FORMATS)}"
        )
    return ", ".join(found) or "-"


if __name__ == "__main__":
    write_bytes(PATH, page().encode())
