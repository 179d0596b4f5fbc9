"""Files of targets: what they say, every fault with its line, and files that extend a target of the package."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from converters.targets.expressions import Expression
from converters.targets.fields import PRIVATE_MESSAGES, PRIVATE_OPTIONS, has_path
from converters.targets.reading import list_targets, read_target
from converters.targets.target import Fields, Row, Rule, Source
from prototxt_gen.errors import CaffeError, FileError, FormatError

GOOD = """\
title: A board
version: 1.10
date: 2026-02
about: made for a test

sources:
  manual:
    text: the manual, page 3
    kind: document
    version: 1.10
    date: 2025-12-31
    excerpt: true
  tried: {text: run by hand, kind: run, version: "1", date: 2026}

others: manual

layers:
  - types: [Input, Convolution, Eltwise, Pooling]
    runs: accelerated
    source: manual
  - {types: [Softmax, Proposal], runs: cpu, source: tried, note: slow}

rules:
  - id: large-average
    types: [Pooling]
    when: pool == "AVE"
    needs: kernel_h <= 7 and kernel_w <= 7
    otherwise: refused
    field: pooling_param.kernel_size
    allowed: at most 7
    source: manual
  - types: [Eltwise]
    needs: coeff == []
    otherwise: silent
    field: eltwise_param.coeff
    allowed: none
    acts_as: {eltwise_param.coeff: null, eltwise_param.operation: MAX}
    source: tried
  - types: [network]
    needs: inputs <= 16
    otherwise: refused
    field: inputs
    allowed: at most 16
    source: manual

fields:
  numbers: {upsample_param: 160, reorg_param: 155}
  knows: [pooling_param.ceil_mode]
  lacks: [clip_param, pooling_param.round_mode]
  source: manual
"""
MANUAL = Source("manual", "the manual, page 3", "document", "1.10", "2025-12-31", excerpt=True)
TRIED = Source("tried", "run by hand", "run", "1", "2026")


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        path = tmp_path / "own.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_target(path)

    return read


def test_what_a_file_says(read):
    target = read(GOOD)
    assert (target.name, target.title, target.version, target.date) == ("own", "A board", "1.10", "2026-02")
    assert target.about == "made for a test"
    assert target.sources == {"manual": MANUAL, "tried": TRIED}
    assert target.others == MANUAL
    assert [*target.rows] == ["Input", "Convolution", "Eltwise", "Pooling", "Softmax", "Proposal"]
    assert target.rows["Proposal"] == Row("Proposal", "cpu", TRIED, "slow")
    assert target.rules[0] == Rule(
        ("Pooling",), Expression("kernel_h <= 7 and kernel_w <= 7"), "refused", "pooling_param.kernel_size",
        "at most 7", MANUAL, when=Expression('pool == "AVE"'), id="large-average",
    )  # fmt: skip
    assert [rule.id for rule in target.rules] == ["large-average", "Eltwise.coeff", "network.inputs"]
    assert target.rules[1].acts_as == {"eltwise_param.coeff": None, "eltwise_param.operation": "MAX"}
    assert target.fields == Fields(
        {"upsample_param": 160, "reorg_param": 155},
        {"clip_param": MANUAL, "pooling_param.round_mode": MANUAL},
        MANUAL,
        ("pooling_param.ceil_mode",),
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (GOOD, "", "it is empty"),
        (GOOD, "a: [", "while parsing"),
        (GOOD, "[1]", "the file: found a list, expected extends, title"),
        (GOOD, b"\x89PNG\r\n\x1a\n\x00\xff", ""),
        (GOOD, "#" * 1_000_001, "1,000,001 bytes, expected at most"),
        ("title: A board\n", "", "line 1: the file: has no title"),
        ("title: A board", "title: [A]", "line 1: title: found a list, expected a text"),
        ("title: A board", "title: ~", "line 1: title: found '~', expected a text"),
        ("title: A board", "titel: A board", "line 1: titel: is no field, expected one of extends, title, version"),
        ("date: 2026-02\n", "date: 2026-13\n", "line 3: date: found '2026-13', expected a date"),
        ("date: 2026-02\n", "date: soon\n", "line 3: date: found 'soon', expected a date"),
        ("2025-12-31", "2025-02-30", "line 11: sources.manual.date: found '2025-02-30', expected a date"),
        ("    kind: document\n", "", "line 8: sources.manual: has no kind"),
        ("kind: run, ", "", "line 13: sources.tried: has no kind"),
        (', version: "1"', "", "line 13: sources.tried: has no version"),
        ("kind: run", "kind: hearsay",
         "line 13: sources.tried.kind: found 'hearsay', expected one of document, code, run"),
        ("excerpt: true", "excerpt: maybe", "line 12: sources.manual.excerpt: found 'maybe', expected true or false"),
        ("others: manual", "others: book",
         "line 15: others: found 'book', expected the name of a source: manual, tried"),
        ("others: manual\n", "", "the file: has no others"),
        ("    source: manual\n  - {", "  - {", r"line 18: layers\[0\]: has no source"),
        ("source: tried, note", "source: seen, note",
         r"layers\[1\].source: found 'seen', expected the name of a source"),
        ("runs: cpu", "runs: gpu",
         r"line 21: layers\[1\].runs: found 'gpu', expected one of accelerated, cpu, refused"),
        ("[Softmax, Proposal]", "[Softmax, Eltwise]", r"line 21: layers\[1\].types: Eltwise is in a row before"),
        ("[Softmax, Proposal]", "[Softmax, Softmax]", r"line 21: layers\[1\].types: Softmax is there twice"),
        ("[Softmax, Proposal]", "[]", r"line 21: layers\[1\].types: found 0 items"),
        ("[Softmax, Proposal]", '["*"]', r"line 21: layers\[1\].types: found '\*', expected types of layers"),
        ("[Softmax, Proposal]", "[Soft max]", r"line 21: layers\[1\].types\[0\]: found 'Soft max', expected a word"),
        ("pool == ", "pol == ", r"line 24: rules\[0\].when: pol: no fact of Pooling, expected one of .*pool"),
        ("kernel_h <= 7", "kernel <= 7", r"line 24: rules\[0\].needs: kernel: no fact of Pooling"),
        ("types: [Pooling]", 'types: ["*"]', r"rules\[0\].needs: kernel_h, kernel_w: no fact of every layer"),
        ("inputs <= 16", "kernel_h <= 16", r"rules\[2\].needs: kernel_h: no fact of a network, expected one of batch"),
        ("kernel_h <= 7 and", "kernel_h <= 7 &", r"line 27: rules\[0\].needs: condition .*: found '7 & kernel_w'"),
        ("coeff == []", "coeff ==", r"line 33: rules\[1\].needs: condition: found 'coeff ==', expected one such as"),
        ("    needs: coeff == []\n", "", r"line 32: rules\[1\]: has no needs"),
        ("otherwise: silent", "otherwise: wrong",
         r"rules\[1\].otherwise: found 'wrong', expected one of refused, silent"),
        ("otherwise: silent", "otherwise: refused", r"rules\[1\]: has acts_as or off_by and is refused"),
        ("    acts_as: {eltwise_param.coeff: null, eltwise_param.operation: MAX}\n", "",
         r"rules\[1\]: is silent and has neither acts_as nor off_by"),
        ("eltwise_param.coeff: null", "coeff: null",
         r"rules\[1\].acts_as.coeff: no field of Eltwise, expected one of type, e"),
        ("eltwise_param.coeff: null", "eltwise_param.cof: null",
         r"acts_as.eltwise_param.cof: found .*, expected a field"),
        ("eltwise_param.coeff: null", "eltwise_param.coeff: [a]",
         r"acts_as.eltwise_param.coeff: found \['a'\], expected a l"),
        ("operation: MAX", "operation: MIN", "eltwise_param.operation: found 'MIN', expected one of PROD, SUM, MAX"),
        ("eltwise_param.coeff: null", 'eltwise_param.coeff: "= [cof]"',
         "acts_as.eltwise_param.coeff: cof: no fact of El"),
        ("types: [network]", "types: [network, Pooling]", r"rules\[2\].types: found network beside others"),
        ("id: large-average", "id: large average", r"rules\[0\].id: found 'large average', expected a word"),
        ("  - types: [network]", "  - id: large-average\n    types: [network]",
         r"rules\[2\].id: large-average is the id of"),
        ("  - types: [network]", "  - drop: true\n    types: [network]", r"rules\[2\].drop: expected the id of a rule"),
        ("upsample_param: 160", "upsample_param: 155", "fields.numbers: two fields have one number"),
        ("upsample_param: 160", "upsample_param: 0", "fields.numbers.upsample_param: found '0', expected 1 to"),
        ("lacks: [clip_param", "lacks: [clip_parm",
         r"fields.lacks\[0\]: found 'clip_parm', which is no field of a layer"),
        ("[pooling_param.ceil_mode]", "[clip_param]", "fields.lacks: clip_param is among the fields that it has"),
        ("round_mode]\n  source: manual\n", "round_mode]\n", "fields: has no source"),
        ("title: A board", "extends: none\ntitle: A board", "line 1: extends: found 'none', expected one of .*bvlc"),
        ("title: A board", f"title: {'x' * 1001}", "line 1: title: found 1001 characters, expected at most 1000"),
    ],
)  # fmt: skip
def test_faults_name_file_line_and_field(read, old, new, said):
    text = GOOD.replace(old, new) if isinstance(new, str) else new
    assert text != GOOD
    with pytest.raises(FormatError, match=f"own.yaml: not a target: .*{said}"):
        read(text)


def test_all_faults_are_told_at_once(read):
    text = GOOD.replace("runs: cpu", "runs: gpu").replace("others: manual", "others: x").replace("kind: run", "kind: y")
    with pytest.raises(FormatError) as fault:
        read(text)
    lines = [int(line) for line in re.findall(r"line (\d+)", str(fault.value))]
    assert lines == sorted(lines) and len(lines) == 3


def test_conditions_may_ask_anything_of_types_that_are_not_known_here(read):
    text = GOOD.replace("types: [Pooling]", "types: [Proposal]").replace("kernel_h <= 7 and", "post_nms <= 7 and")
    assert read(text).rules[0].needs.names == {"post_nms", "kernel_w"}


def test_names_that_are_no_targets(tmp_path):
    with pytest.raises(CaffeError, match=r"target: found 'rknn9', expected one of .*rknn2.*, or a \.yaml file"):
        read_target("rknn9")
    with pytest.raises(FileError, match=r"none.yaml: cannot be read"):
        read_target(tmp_path / "none.yaml")


def test_a_file_that_extends_a_target_corrects_rows_and_adds_rules(read):
    base = read_target("rknn2")
    target = read(
        "extends: rknn2\n"
        "sources: {mine: {text: seen on my board, kind: run, version: 2.4.0, date: 2026-03-01}}\n"
        "layers: [{types: [Interp, ArgMax], runs: accelerated, source: mine}]\n"
        "rules: [{types: [Interp], needs: height <= 64, otherwise: cpu, field: bottom, allowed: 64, source: mine}]\n"
        "fields: {numbers: {interp_param: 210}, knows: [swish_param], lacks: [elu_param], source: mine}\n"
    )
    mine = Source("mine", "seen on my board", "run", "2.4.0", "2026-03-01")
    assert (target.name, target.title, target.version, target.others) == ("own", base.title, base.version, base.others)
    assert target.rows == {
        **base.rows,
        "Interp": Row("Interp", "accelerated", mine),
        "ArgMax": Row("ArgMax", "accelerated", mine),
    }
    assert target.rules[:-1] == base.rules and target.rules[-1].types == ("Interp",)
    assert target.fields.numbers == {**base.fields.numbers, "interp_param": 210}
    assert "swish_param" not in target.fields.lacks and target.fields.lacks["elu_param"] == mine
    assert target.sources == {**base.sources, "mine": mine}


def test_rules_of_a_base_are_corrected_and_dropped_by_their_ids(read, monkeypatch):
    first, second = read(GOOD).rules[:2]
    base = replace(read(GOOD), name="base", rules=(first, second))
    monkeypatch.setattr("converters.targets.reading.list_targets", lambda: ("base",))
    monkeypatch.setattr("converters.targets.reading._packaged", lambda name: base)
    target = read(
        "extends: base\nversion: 2\n"
        "rules: [{id: large-average, needs: kernel_h <= 16, allowed: at most 16, source: tried}, "
        "{id: Eltwise.coeff, drop: true}]"
    )
    assert target.version == "2"
    assert target.rules == (
        replace(first, needs=Expression("kernel_h <= 16"), allowed="at most 16", source=TRIED),
    )  # fmt: skip
    with pytest.raises(FormatError, match=r"line 2: rules\[0\]: has no source"):
        read("extends: base\nrules: [{id: large-average, needs: kernel_h <= 16}]")
    with pytest.raises(FormatError, match=r"rules\[0\]: is dropped, expected no field but id and source"):
        read("extends: base\nrules: [{id: Eltwise.coeff, drop: true, needs: True}]")
    with pytest.raises(FormatError, match=r"rules\[0\].needs: kernel: no fact of Pooling"):
        read("extends: base\nrules: [{id: large-average, needs: kernel <= 16, source: tried}]")


@pytest.mark.parametrize("name", list_targets())
def test_targets_of_the_package_have_sources_everywhere(name):
    target = read_target(name)
    sources = [target.others, *(row.source for row in target.rows.values()), *(rule.source for rule in target.rules)]
    sources += target.fields.lacks.values()
    assert all(source.text and source.version and source.date for source in sources)
    assert {source.key for source in sources} <= target.sources.keys()
    assert target.title and target.about and target.version and target.date
    assert len({rule.id for rule in target.rules}) == len(target.rules)


def test_private_fields_are_those_that_caffe_proto_calls_so(request):
    lines = (request.config.rootpath / "prototxt_gen" / "caffe.proto").read_text("utf-8").splitlines()
    private = [re.search(r"(\w+) = \d+", line)[1] for line in lines if line.endswith("// fork")]
    assert sorted(private) == sorted(path.split(".")[-1] for path in (*PRIVATE_MESSAGES, *PRIVATE_OPTIONS))
    assert all(map(has_path, (*PRIVATE_MESSAGES, *PRIVATE_OPTIONS)))


_ODD = ["rules:", "- {}", "  - types: 3", "a: &a [*a]", "x: &x {y: *x}", "? [a]\n: b", "!!set {a}", "\t", "---"]
_LINES = st.lists(st.sampled_from([*GOOD.splitlines(), *_ODD]), max_size=30).map("\n".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode), _LINES.map(str.encode)))
def test_any_bytes_are_a_target_or_an_error_that_says_why_not(read, data):
    try:
        read(data)
    except CaffeError as fault:
        assert str(fault)


def test_a_rule_without_a_source_says_what_else_is_wrong_with_it(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(
        """
extends: rknn2
rules:
  - {types: [Pooling], needs: kernal <= 3, otherwise: silent, field: pooling_param.kernel_size, allowed: up to 3}
  - {types: [ReLU], needs: bottoms == 1, otherwise: silent, field: x, allowed: one, off_by: "", source: proto}
"""
    )
    with pytest.raises(FormatError) as raised:
        read_target(path)
    told = str(raised.value)
    for said in (
        "rules[0].needs: kernal: no fact of Pooling",
        "rules[0]: has no source",
        "rules[0]: is silent and has",
    ):
        assert said in told
    assert "rules[1].off_by" in told and "rules[1]: is silent" not in told
