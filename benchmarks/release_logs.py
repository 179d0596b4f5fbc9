"""Tables from the DF release's logs: what DF1-Seg's say of DFlite-Seg, beside what was measured.

Run: python benchmarks/release_logs.py. It needs the release's logs in ../shared/reference.
"""

from __future__ import annotations

from caffe_zoo import card
from prototxt_gen import parts
from search import LatencyTable
from tools.reference_facts import RELEASE

DF1SEG, LITE = (str(card(name).architecture) for name in ("df1seg", "df-lite_seg"))
PROFILES = [f"{end}_{size}" for end in ("score", "scoreup8") for size in ("1024x1024", "1024x2048")]


def row(kind: str, source: str, truth: str, upsampled: bool, size: str) -> str:
    """A line of the table: a log of each network, with the same end and input."""
    code, lite = (text if upsampled else text.replace("_u8", "") for text in (DF1SEG, LITE))
    shape = (1, 3, *map(int, size.split("x")))
    logs = RELEASE / "logs"
    measured = LatencyTable.from_log(logs / truth, lite, shape).origin["logs"][0]["ms"]
    table = LatencyTable.from_log(logs / source, code, shape, estimate=parts(lite, shape))
    found = table.predict(lite, shape)
    guessed = sum(table.origin["estimated"].get(part.key, 0.0) for part in parts(lite, shape))
    own = table.predict(code, shape) / table.origin["logs"][0]["ms"] - 1
    assert abs(own) < 1e-5, "the parts sum to the log's total"
    error = f"{100 * (found / measured - 1):+.2f} %"
    cells = (kind, size, "x8" if upsampled else "no", *(f"{ms:.3f}" for ms in (found, guessed, measured)), error)
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the table."""
    print("| log of DF1-Seg | input | upsampling | DFlite-Seg predicted ms | of them estimated | measured ms | error |")
    print("|---|---|---|---:|---:|---:|---:|")
    for name in PROFILES:
        logs = (f"log_{network}_profile_{name}_1080ti.txt" for network in ("df1seg", "df-lite_seg"))
        print(row("TensorRT 3, GTX 1080 Ti", *logs, name.startswith("scoreup8"), name.split("_")[1]))
    for end in ("_d8", ""):
        logs = (f"log_{network}{end}_mergebn_caffetime_titanx.txt" for network in ("df1seg", "df-lite_seg"))
        print(row("caffe time, Titan X", *logs, not end, "1024x2048"))


if __name__ == "__main__":
    main()
