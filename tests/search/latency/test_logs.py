"""Tables from logs: every row finds its part, every part its rows, the parts sum to the log's total."""

import json
import re

import pytest

from prototxt_gen import generate, insert_splits, parts, summarize
from prototxt_gen.errors import FormatError, UnsupportedError
from search import LatencyTable
from tests.released import architecture

CODE = "s4-8_b8x2-16_b16_b16_p4-8_d8-8-6_u8_c6"
SHAPE = (1, 3, 64, 128)
DF1SEG, LITE = architecture("df1seg"), architecture("df-lite_seg_mergebn")


def caffe_log(code=CODE, shape=SHAPE, merged=True, head=True):
    """What `caffe time` prints of a network: a microsecond for each 1000 numbers that a layer makes, and 2 us more a
    layer for taking the time."""
    net = insert_splits(generate(code, input_shape=shape, merged=merged))
    rows = summarize(net).layers
    lines = []
    if head:
        from prototxt_gen import to_text

        lines += ["I1121 21:15:06.15 13520 net.cpp:53] Initializing net from parameters: ", to_text(net)]
        lines += ["I1121 21:15:06.15 13520 layer_factory.hpp:77] Creating layer data"]
    times = {row.name: row.memory / 4e6 for row in rows}
    lines += [f"I1121 21:15:06.15 13520 caffe.cpp:400] {name:>10}\tforward: {ms:g} ms." for name, ms in times.items()]
    total = sum(float(f"{ms:g}") for ms in times.values()) + 0.002 * len(times)
    return "\n".join([*lines, f"I1121 21:15:06.15 13520 caffe.cpp:408] Average Forward pass: {total:.9g} ms."]), total


def trtexec_profile(rows):
    listed = [f', {{ "name" : "{name}", "timeMs" : 1, "averageMs" : {ms}, "percentage" : 1 }}' for name, ms in rows]
    return "\n".join(["[", '  { "count" : 10 }', *listed, "]"])


def fused(code=CODE, shape=SHAPE, ms=0.5):
    """Rows as TensorRT joins the layers of a network: convolution, sum and ReLU, copies for what Concat joins."""
    rows, taken = [], set()
    net = generate(code, input_shape=shape, merged=True)
    layers = [layer for layer in net.layer if layer.type != "Input"]
    for place, layer in enumerate(layers):
        if layer.name in taken:
            continue
        if layer.type == "Concat":
            rows += [(f"{bottom} copy", 0.01) for bottom in layer.bottom]
            continue
        group = [layer]
        for after in layers[place + 1 :]:
            if after.type not in ("ReLU", "Eltwise") or group[-1].top[0] not in after.bottom:
                break
            group.append(after)
        taken.update(one.name for one in group)
        rows.append((" + ".join(one.name for one in group), ms))
    return rows


@pytest.fixture
def log(tmp_path):
    def write(text, name="log.txt"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_parts_of_caffes_rows_sum_to_its_total(log):
    text, total = caffe_log()
    table = LatencyTable.from_log(log(text), CODE, SHAPE, device="a card")
    assert table.target == {"engine": "caffe", "device": "a card", "precision": "float32", "batch": 1, "versions": {}}
    assert table.predict(CODE, SHAPE) == pytest.approx(total, abs=1e-5)
    cut = parts(CODE, SHAPE)
    assert set(table.entries) == {part.key for part in cut}
    # Input and Splits are the first part's and those of the parts whose tops they copy; each row costs 2 us more.
    rows = {row.name: row for row in summarize(generate(CODE, input_shape=SHAPE, merged=True)).layers}
    stem = cut[0]
    own = [*stem.layers.values(), "data"]
    split = "conv2_conv2/relu_0_split"
    ms = sum(rows[name].memory for name in [*own, split]) / 4e6 + 0.002 * (len(own) + 1)
    assert table.entries[stem.key].ms == pytest.approx(ms, abs=1e-5)
    assert table.entries[stem.key].label == stem.label
    record = table.origin["logs"][0]
    assert (record["file"], record["network"], record["input_shape"]) == ("log.txt", CODE, list(SHAPE))
    assert record["rest_ms"] == pytest.approx(0.002 * record["rows"], abs=1e-5)


def test_a_part_in_several_places_has_their_mean(log):
    code = "s4-8_b8x3_c6"
    rows = [(name, 0.5) for name, _ in fused(code, (1, 3, 64, 64))]
    names = [name for name, _ in rows]
    rows[names.index("res2.2.conv1 + res2.2.conv1/relu")] = ("res2.2.conv1 + res2.2.conv1/relu", 0.1)
    table = LatencyTable.from_log(log(trtexec_profile(rows)), code, (1, 3, 64, 64))
    second, third = parts(code, (1, 3, 64, 64))[2:4]
    assert second.key == third.key
    entry = table.entries[second.key]
    assert entry.ms == pytest.approx(0.8) and entry.samples == 2 and entry.quartiles == pytest.approx((0.7, 0.9))
    assert table.predict(code, (1, 3, 64, 64)) == pytest.approx(sum(ms for _, ms in rows))


def test_rows_as_tensorrt_joins_them(log):
    rows = fused()
    expected = sum(ms for _, ms in rows)
    table = LatencyTable.from_log(log(trtexec_profile(rows)), CODE, SHAPE, precision="float16")
    assert table.predict(CODE, SHAPE) == pytest.approx(expected)
    assert table.target["precision"] == "float16" and table.target["device"] == "not named in the log"
    added = [(f"Reformatting CopyNode for Input Tensor 0 to {rows[0][0]}", 0.25), *rows]
    more = LatencyTable.from_log(log(trtexec_profile(added)), CODE, SHAPE)
    stem = parts(CODE, SHAPE)[0].key
    assert more.entries[stem].ms == pytest.approx(table.entries[stem].ms + 0.25)


def test_the_names_are_those_of_the_onnx_file_that_is_exported(log):
    """Every node of our export is of a layer: with batch norm in the file or folded."""
    pytest.importorskip("onnx")
    from converters.onnx.exporting import to_model
    from tests.filling import fill_weights

    net = generate(CODE, input_shape=SHAPE)
    for merged in (True, False):
        model = to_model(net, fill_weights(net), merged=merged)
        rows = [(node.name, 0.125) for node in model.graph.node]
        table = LatencyTable.from_log(log(trtexec_profile(rows)), CODE, SHAPE)
        assert table.predict(CODE, SHAPE) == pytest.approx(0.125 * len(rows))


def test_a_row_of_several_parts_is_shared_out_by_choice_alone(log):
    rows = fused()
    (first, a), (_, b), (third, c), *rest = rows
    text = trtexec_profile([(f"{{ForeignNode[{first.split(' + ')[0]}...{third.split(' + ')[-1]}]}}", a + b + c), *rest])
    with pytest.raises(FormatError, match=r"rows of several parts, which are shared out only by choice: '\{Foreign"):
        LatencyTable.from_log(log(text), CODE, SHAPE)
    shared = LatencyTable.from_log(log(text), CODE, SHAPE, share=True)
    assert shared.predict(CODE, SHAPE) == pytest.approx(sum(ms for _, ms in rows))
    assert shared.origin["logs"][0]["shared_rows"] == 1
    net = summarize(generate(CODE, input_shape=SHAPE, merged=True))
    work = {row.name: row.multiply_adds for row in net.layers}
    stem, block = parts(CODE, SHAPE)[:2]
    inside = sum(work[name] for name in ("conv1", "conv2"))
    share = inside / (inside + work["res2.1.conv1"])
    assert shared.entries[stem.key].ms == pytest.approx(share * (a + b + c))
    assert shared.entries[block.key].ms > (1 - share) * (a + b + c)


def test_a_log_of_another_network_is_refused_with_what_does_not_fit(log):
    text, _ = caffe_log(head=False)
    with pytest.raises(FormatError) as caught:
        LatencyTable.from_log(log(text), "s4-8_b8x3-16_b16_b16_p4-8_d8-8-6_u8_c6", SHAPE)
    assert re.search(r"log\.txt: not a whole log of s4-8_b8x3.* for an input of 1x3x64x128: ", str(caught.value))
    assert "layers without a row: res2.3.skipConv" not in str(caught.value)
    assert "layers without a row: res2.4.conv1" in str(caught.value)
    assert "parts without a time: " in str(caught.value)
    with pytest.raises(FormatError, match=r"rows of no layer of the network: '.*res2\.3\.conv1'"):
        LatencyTable.from_log(log(text), "s4-8_b8-16_b16_b16_p4-8_d8-8-6_u8_c6", SHAPE)
    unmerged, _ = caffe_log(merged=False)
    with pytest.raises(FormatError, match=r"rows of no layer of the network: 'conv1/bn'"):
        LatencyTable.from_log(log(unmerged), CODE, SHAPE)


def test_where_the_log_has_its_network_sizes_are_compared(log):
    text, _ = caffe_log()
    path = log(text)
    with pytest.raises(FormatError, match="layers of another network: data: found Input 1x3x64x128, expected"):
        LatencyTable.from_log(path, CODE, (1, 3, 128, 128))
    with pytest.raises(FormatError, match=r"Decoder_wc4: found Convolution 1x8.*, expected .* and \d+ more"):
        LatencyTable.from_log(path, CODE.replace("d8-8-6", "d12-12-6"), SHAPE)


def test_a_log_cut_off_in_its_rows_is_refused(log):
    text, _ = caffe_log(head=False)
    lines = text.splitlines()
    with pytest.raises(FormatError, match="layers without a row: "):
        LatencyTable.from_log(log("\n".join([*lines[:-4], *lines[-2:]])), CODE, SHAPE)
    with pytest.raises(FormatError, match="ends before 'Average Forward pass'"):
        LatencyTable.from_log(log("\n".join(lines[:-4])), CODE, SHAPE)
    rows = fused()
    with pytest.raises(FormatError, match=r"layers without a row: res2\.1\.skipConv"):
        LatencyTable.from_log(log(trtexec_profile(rows[:4] + rows[5:])), CODE, SHAPE)
    with pytest.raises(FormatError, match="parts without a time: "):
        LatencyTable.from_log(log(trtexec_profile([*rows[:-1], (rows[-1][0], 0)])), CODE, SHAPE)


def test_a_part_whose_rows_all_say_zero_has_no_time(log):
    """The rest of the total, which every row gets a share of, is not what such a part took."""
    text, _ = caffe_log()
    zeros = re.sub(r"(Decoder_score\.up8\tforward:) \S+ ms", r"\1 0 ms", text)
    with pytest.raises(FormatError, match=r"not a whole log of .*parts without a time: upsampling"):
        LatencyTable.from_log(log(zeros), CODE, SHAPE)
    zeros = re.sub(r"forward: \S+ ms", "forward: 0 ms", text)
    with pytest.raises(FormatError, match=r"parts without a time: stem .*, basic .*"):
        LatencyTable.from_log(log(zeros), CODE, SHAPE)


def test_a_log_without_layers_is_no_table(log):
    times = '[\n { "computeMs" : 2.0, "startEnqMs" : 0 }\n]'.replace("{ ", '{ "startEnqMs" : 0, ')
    with pytest.raises(FormatError, match="expected times of layers, found those of the whole network alone"):
        LatencyTable.from_log(log(times), CODE, SHAPE)


def test_several_logs_make_one_table(log, tmp_path):
    first = log(trtexec_profile(fused(ms=0.5)), "first")
    second = log(trtexec_profile(fused(ms=0.7)), "second")
    other = log(trtexec_profile(fused("s4-8_b8x2_c6", (1, 3, 64, 64))), "other")
    one = LatencyTable.from_log(first, CODE, SHAPE, device="a")
    table = LatencyTable.from_log(other, "s4-8_b8x2_c6", (1, 3, 64, 64), into=one, device="a")
    assert set(one.entries) < set(table.entries) and len(one.origin["logs"]) == 1, "the first is left as it was"
    assert table.predict(CODE, SHAPE) == one.predict(CODE, SHAPE)
    both = LatencyTable.from_log(second, CODE, SHAPE, into=table, device="a")
    stem = parts(CODE, SHAPE)[0].key
    halves = [LatencyTable.from_log(path, CODE, SHAPE).entries[stem].ms for path in (first, second)]
    assert both.entries[stem].ms == pytest.approx(sum(halves) / 2) and both.entries[stem].samples == 2
    both.save(tmp_path / "table.json")
    assert LatencyTable.load(tmp_path / "table.json").origin == json.loads(json.dumps(both.origin))
    with pytest.raises(FormatError, match="second: is in the table already"):
        LatencyTable.from_log(second, CODE, SHAPE, into=both, device="a")
    with pytest.raises(FormatError, match=r'second: target: found .*"b".*, the table has .*"a"'):
        LatencyTable.from_log(second, CODE, SHAPE, into=one, device="b")
    with pytest.raises(FormatError, match="origin: found 'measured', expected 'log'"):
        LatencyTable.from_log(second, CODE, SHAPE, into=LatencyTable(one.target, origin={"method": "measured"}))


# Outside truth: the release's logs.
def sized(code, end):
    kind, _, size = end.partition("_")
    height, width = map(int, size.split("x"))
    return code if kind == "scoreup8" else code.replace("_u8", ""), (1, 3, height, width)


@pytest.mark.parametrize("end", ["score_1024x1024", "score_1024x2048", "scoreup8_1024x1024", "scoreup8_1024x2048"])
def test_df1_segs_profile_predicts_dflite_seg(reference, end):
    """Within 3 % of what the release measured; the parts that DF1-Seg has not are estimated."""
    logs = reference / "release" / "logs"
    (code, shape), (lite, _) = sized(DF1SEG, end), sized(LITE, end)
    measured = LatencyTable.from_log(logs / f"log_df-lite_seg_profile_{end}_1080ti.txt", lite, shape)
    total = measured.origin["logs"][0]["ms"]
    assert measured.predict(lite, shape) == pytest.approx(total, abs=1e-5)
    path = logs / f"log_df1seg_profile_{end}_1080ti.txt"
    table = LatencyTable.from_log(path, code, shape, estimate=parts(lite, shape))
    assert table.predict(code, shape) == pytest.approx(table.origin["logs"][0]["ms"], abs=1e-5)
    assert table.predict(lite, shape) == pytest.approx(total, rel=0.03)
    known = LatencyTable.from_log(path, code, shape)
    with pytest.raises(UnsupportedError, match="not in the latency table: controller 512-512"):
        known.predict(lite, shape)
    guessed = table.origin["estimated"]
    assert set(table.entries) - set(known.entries) == set(guessed) and len(guessed) == 5
    assert all(table.entries[key].label.endswith(" (estimated)") for key in guessed)


@pytest.mark.parametrize("end", ["", "_d8"])
def test_caffe_times_of_df1_seg_predict_dflite_seg(reference, end):
    logs = reference / "release" / "logs"
    code, lite = (text.replace("_u8", "") if end else text for text in (DF1SEG, LITE))
    measured = LatencyTable.from_log(logs / f"log_df-lite_seg{end}_mergebn_caffetime_titanx.txt", lite)
    total = measured.origin["logs"][0]["ms"]
    path = logs / f"log_df1seg{end}_mergebn_caffetime_titanx.txt"
    table = LatencyTable.from_log(path, code, estimate=parts(lite), device="Titan X")
    assert table.predict(lite) == pytest.approx(total, rel=0.01)
    with pytest.raises(FormatError, match=r"layers of another network: res4\.2\.conv1: found"):
        LatencyTable.from_log(path, lite)


@pytest.mark.parametrize("name", ["df2seg1", "df2seg2"])
def test_other_logs_of_the_release(reference, name):
    table = LatencyTable.from_log(
        reference / "release" / "logs" / f"log_{name}_mergebn_caffetime_titanx.txt", architecture(name)
    )
    assert table.predict(architecture(name)) == pytest.approx(table.origin["logs"][0]["ms"], abs=1e-5)
    # 2 % of the total is what taking the time of each layer costs: 6 microseconds a layer.
    assert table.origin["logs"][0]["rest_ms"] == pytest.approx(0.0061 * 171, abs=0.005)
