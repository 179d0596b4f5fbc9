"""Once-for-All's tables: the files byte by byte, the predictions, and what is left out."""

import pytest
import yaml

from prototxt_gen import parts
from prototxt_gen.errors import FileError, FormatError, UnsupportedError
from search.latency import Entry, LatencyTable
from search.latency.correcting import Correction
from search.latency.curves import Curve
from search.latency.once_for_all import from_once_for_all, to_once_for_all

NETWORK = "m32_i1.16e1_i24e3_i40k5e6_h1280_c1000"
# As the tables of ProxylessNAS are written, with the times of a Pixel for the layers of its first entries.
PROXYLESS = """\
Conv-input:224x224x3-output:112x112x32:
  count: 949
  mean: 4.397037934668071
  var: 0.1562765530967112
Conv_1-input:28x28x40-output:28x28x1280:
  count: 949
  mean: 6.28499578503688
  var: 0.43429750694010927
Logits-input:28x28x1280-output:1000:
  count: 940
  mean: 0.9348261327713382
  var: 0.1500926595152672
expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:3-stride:2-idskip:0:
  count: 156
  mean: 5.608820512820512
  var: 0.08784284387615103
expanded_conv-input:112x112x32-output:112x112x16-expand:1-kernel:3-stride:1-idskip:0:
  count: 310
  mean: 4.035709677419355
  var: 0.07046224958106981
expanded_conv-input:56x56x24-output:28x28x40-expand:6-kernel:5-stride:2-idskip:0:
  count: 183
  mean: 5.726016393442624
  var: 0.06758241076579202
"""
THIRD = """\
AvgPool2D-input:7x7x960-output:1x1x960: {mean: 0.1, count: 5}
Conv-input:224x224x3-output:112x112x24: {mean: 1.5, count: 5}
Conv_1-input:7x7x160-output:7x7x960: {mean: 1.5, count: 5}
Conv_2-input:1x1x960-output:1x1x1280: {mean: 0.5, count: 5}
Logits-input:1x1x1280-output:1000: {mean: 0.5, count: 5}
expanded_conv-input:112x112x24-output:112x112x24-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0: {mean: 2, count: 5}
expanded_conv-input:14x14x96-output:14x14x96-expand:288-kernel:3-stride:1-idskip:1-se:0-hs:1: {mean: 2, count: 5}
expanded_conv-input:28x28x48-output:28x28x48-expand:144-kernel:3-stride:1-idskip:1-se:1-hs:0: {mean: 2, count: 5}
"""


@pytest.fixture
def convert(tmp_path):
    def run(text):
        (tmp_path / "in.yaml").write_text(text)
        return from_once_for_all(tmp_path / "in.yaml", "Pixel 1")

    return run


def test_a_network_is_predicted_as_there(convert):
    found = convert(PROXYLESS)
    there = sum(entry["mean"] for entry in yaml.safe_load(PROXYLESS).values())
    assert found.table.predict(NETWORK) == pytest.approx(there, abs=3e-6)
    assert (len(found.taken), found.left) == (6, {})
    assert found.table.target == {"engine": "once-for-all", "device": "Pixel 1", "batch": 1}
    head = found.table.entries[parts(NETWORK)[-1].key]
    assert (head.ms, head.samples) == (6.28499578503688 + 0.9348261327713382, 940)


@pytest.mark.parametrize("text", [PROXYLESS, THIRD, "# a comment\n" + PROXYLESS.replace("var", "stddev")])
def test_a_file_comes_back_byte_by_byte(convert, tmp_path, text):
    convert(text).table.save(tmp_path / "table.json")
    written = to_once_for_all(LatencyTable.load(tmp_path / "table.json"), tmp_path / "out.yaml")
    assert (tmp_path / "out.yaml").read_text() == text
    assert sorted(written.keys) == sorted(yaml.safe_load(text))


def test_a_table_comes_back_with_the_same_predictions(tmp_path):
    found = parts(NETWORK)
    entries = {
        part.key: Entry(ms, (ms, ms), 7, part.label)
        for part, ms in zip(found, (1.25, 2.000001, 3.3, 0.1, 4.7), strict=True)
    }
    table = LatencyTable({"engine": "torch"}, entries, call_ms=0.05)
    written = to_once_for_all(table, tmp_path / "table.yaml")
    means = {key: entry["mean"] for key, entry in yaml.safe_load((tmp_path / "table.yaml").read_text()).items()}
    assert sum(round(ms * 1e6) for ms in means.values()) == round(table.predict(NETWORK) * 1e6)
    assert means["Logits-input:28x28x1280-output:1000"] == 0
    assert set(written.keys) == set(means) == set(yaml.safe_load(PROXYLESS))
    again = from_once_for_all(tmp_path / "table.yaml").table
    assert again.predict(NETWORK) == table.predict(NETWORK)
    assert {key: (entry.samples, entry.label) for key, entry in again.entries.items()} == {
        key: (7, entry.label) for key, entry in entries.items()
    }


def test_a_correction_is_in_the_means(convert, tmp_path):
    table = convert(PROXYLESS).table
    table.correction = Correction(1.1, 0.3, 0.01, 0.02, (), 0.1, 0.01, "2026-01-02")
    to_once_for_all(table, tmp_path / "out.yaml")
    means = [entry["mean"] for entry in yaml.safe_load((tmp_path / "out.yaml").read_text()).values()]
    assert sum(round(ms * 1e6) for ms in means) == round(table.predict(NETWORK) * 1e6)


def test_times_that_depend_on_what_comes_before_are_left_out(tmp_path):
    found = parts(NETWORK)
    entries = {part.key: Entry(1.0, (1.0, 1.0), 1, part.label) for part in found}
    entries[found[2].joined_key] = Entry(2.0, (2.0, 2.0), 1, found[2].label)
    left = to_once_for_all(LatencyTable({}, entries), tmp_path / "out.yaml").left
    assert len(left) == 2 and {reason.partition(",")[0] for reason in left.values()} == {
        "its time depends on what comes before it"
    }


def test_a_changed_table_is_written_anew(convert, tmp_path):
    table = convert(PROXYLESS).table
    key = parts(NETWORK)[0].key
    table.entries[key] = table.entries[key]._replace(ms=1.0)
    to_once_for_all(table, tmp_path / "out.yaml")
    assert yaml.safe_load((tmp_path / "out.yaml").read_text())["Conv-input:224x224x3-output:112x112x32"]["mean"] == 1.0


def test_only_blocks_that_are_ours_are_taken(convert):
    found = convert(THIRD)
    assert [entry.label for entry in found.table.entries.values()] == ["inverted 24-24-24 s1 112x112"]
    reasons = {key.partition("-")[0]: reason for key, reason in found.left.items() if key[0] != "e"}
    assert set(reasons) == {"AvgPool2D", "Conv", "Conv_1", "Conv_2", "Logits"}
    assert all("h-swish" in reason for reason in reasons.values())
    assert len(found.left) == 7


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{count: 3}", "there is no mean"),
        ("5", "there is no mean"),
        ("{mean: .nan}", "no time"),
        ("{mean: -1.0}", "no time"),
        ("{mean: .inf}", "no time"),
        ("{mean: 0}", "the mean is 0"),
        ("{mean: yes}", "no number"),
        ("{mean: '1'}", "no number"),
        ("{mean: [1]}", "no number"),
        ("{mean: 1, count: -1}", "the count"),
        ("{mean: 1, count: 2.5}", "the count"),
    ],
)
def test_entries_without_a_time_are_named_and_the_rest_kept(convert, entry, reason):
    key = "expanded_conv-input:8x8x8-output:8x8x8-expand:6-kernel:3-stride:1-idskip:1"
    found = convert(f"{PROXYLESS}{key}: {entry}\n7: {{mean: 1}}\nother: {{mean: 1}}\n")
    assert len(found.taken) == 6
    assert reason in found.left[key]
    assert found.left["'other'"] == found.left["a key of type int"] == "no such key is known"


def test_layers_whose_activation_is_not_said_are_left_out(convert):
    both = convert(PROXYLESS + THIRD.splitlines()[5] + "\n")
    assert {key.partition("-")[0] for key in both.left} == {"Conv", "Conv_1", "Logits"}
    assert all("both kinds of blocks" in reason for reason in both.left.values())
    with pytest.raises(UnsupportedError, match="no block: it does not say which activation"):
        convert(PROXYLESS[: PROXYLESS.index("Conv_1")])


def test_half_a_head_is_left_out(convert):
    start, end = PROXYLESS.index("Logits"), PROXYLESS.index("expanded_conv")
    assert convert(PROXYLESS[:start] + PROXYLESS[end:]).left == {
        "Conv_1-input:28x28x40-output:28x28x1280": "the other half of the head, Conv_1 or Logits, is not there"
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("- 1\n", "found list"),
        ("a: 1\n", "none of its 1 keys is like"),
        ("a: 1\nb: {\n", "line 3: expected the node content, but found '<stream end>'"),
        ("!!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        (PROXYLESS + PROXYLESS[:100], "is there twice"),
        ("[" * 20_000, "not a latency table"),
        ("a\x00b", "not a latency table"),
    ],
)
def test_other_files_are_refused(convert, text, said):
    with pytest.raises(FormatError, match=said):
        convert(text)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        from_once_for_all(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(FormatError, match="it is not text"):
        from_once_for_all(tmp_path / "a.yaml")


def test_what_cannot_be_said_is_listed(tmp_path):
    def table(*architectures):
        found = [part for architecture in architectures for part in parts(architecture, (1, 3, 64, 64))]
        timed = enumerate(found, 1)
        return LatencyTable({}, {part.key: Entry(ms, (ms, ms), 1, part.label) for ms, part in timed})

    written = to_once_for_all(
        table("m32_i40e3-e3q_h80_c10", "g32_k40_i40e3_h80_c10", "m32_i40e3_h80_c5"), tmp_path / "a"
    )
    assert len(written.keys) == 4
    assert sorted(written.left) == [
        "convolution 32-40-40 s2 32x32",
        "head 40-80-10 8x8",
        "head 40-80-5 16x16",
        "inverted 40-120-40 s2 16x16",
        "inverted 40-120-40q s1 16x16",
        "stem 3-32 64x64",
    ]
    with pytest.raises(UnsupportedError, match="the form can say none of the table's parts: 1 because"):
        to_once_for_all(table("s32_b64_c10"), tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("text", [7, "a: b: c", PROXYLESS.replace("mean: 4", "mean: 5")])
def test_a_text_that_is_not_the_tables_is_not_written(convert, tmp_path, text):
    table = convert(PROXYLESS).table
    table.origin["text"] = text
    to_once_for_all(table, tmp_path / "out.yaml")
    first = yaml.safe_load((tmp_path / "out.yaml").read_text())["Conv-input:224x224x3-output:112x112x32"]
    assert first == {"count": 949, "mean": 4.397038}


def test_a_table_without_parts_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match="the table has no parts"):
        to_once_for_all(LatencyTable({}), tmp_path / "out.yaml")


def test_a_table_whose_sums_are_bent_is_refused(convert, tmp_path):
    table = convert(PROXYLESS).table
    table.curve = Curve((1.0, 2.0), (1.0, 3.0))
    with pytest.raises(UnsupportedError, match=r"out\.yaml: .* this table bends its sums by a curve"):
        to_once_for_all(table, tmp_path / "out.yaml")
    assert not (tmp_path / "out.yaml").exists()
