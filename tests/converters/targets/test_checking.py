"""Networks held against targets: every fault, what was found, what could not be checked; no crash on any network."""

import json
import re

import pytest

from caffe_zoo.cards import CARDS
from converters.targets.checking import Fault, check_target
from converters.targets.expressions import Expression
from converters.targets.fields import PRIVATE_MESSAGES
from converters.targets.reading import list_targets, read_target
from converters.targets.target import Fields, Rule
from prototxt_gen import NetParameter, generate
from prototxt_gen.errors import CaffeError, FormatError, NetworkError
from prototxt_gen.layers import LAYERS
from prototxt_gen.text import parse_text
from tests.targets import SOURCE, made_target, rule


def net_of(*layers: str, **inputs: tuple[int, ...]) -> NetParameter:
    """Inputs of these shapes, and layers as text: "x,y <- a b: Type options"; C and P are two kinds of options."""
    text = ""
    for name, shape in (inputs or {"a": (1, 8, 16, 16)}).items():
        dims = " ".join(f"dim: {size}" for size in shape)
        text += f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
    for layer in layers:
        match = re.fullmatch(r"(\S+) <-(.*?): (\w+)(.*)", layer)
        tops, bottoms, kind, more = match.groups()
        named = " ".join(f'top: "{top}"' for top in tops.split(",")) + "".join(
            f' bottom: "{one}"' for one in bottoms.split()
        )
        more = more.replace(" C {", " convolution_param {").replace(" P {", " pooling_param {")
        text += f'layer {{ name: "{tops.split(",")[0]}" type: "{kind}" {named} {more} }}\n'
    return parse_text(f'name: "small"\n{text}', NetParameter())


def told(net: NetParameter, *rules: Rule, types: str = "", **more) -> list[tuple[str, str, str]]:
    """Layer, field and what was found of every fault."""
    target = made_target(*{layer.type for layer in net.layer}, *types.split(), rules=rules)
    return [(fault.layer, fault.field, fault.found) for fault in check_target(net, target, **more).faults]


# Limits as toolchains state them (the toolchain, in words), each with a layer beyond it and one within.
LIMITS = [
    ("Horizon: kernel 1..7 each side", "Convolution", "kernel_h <= 7 and kernel_w <= 7",
     "x <- a: Convolution C { num_output: 4 kernel_size: 9 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 7 }"),
    ("Horizon: channels of a group <= 4", "Convolution", "channels // group <= 4",
     "x <- a: Convolution C { num_output: 4 kernel_size: 1 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 1 group: 2 }"),
    ("Horizon: numbers of one kernel <= 72", "Convolution", "kernel_h * kernel_w * channels // group <= 72",
     "x <- a: Convolution C { num_output: 4 kernel_size: 5 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 }"),
    ("Horizon: dilation a power of two that divides the stride", "Convolution",
     "power_of_two(dilation_h) and stride_h % dilation_h == 0",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 dilation: 2 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 dilation: 2 stride: 4 }"),
    ("Horizon: pad of a Deconvolution <= (k - 1) / 2, stride 2 or 4", "Deconvolution",
     "pad_h <= (kernel_h - 1) / 2 and stride_h in [2, 4]",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 4 pad: 2 stride: 2 }",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 4 pad: 1 stride: 2 }"),
    ("Horizon: global AVE of at most 200 numbers", "Pooling",
     'not (pool == "AVE" and covers_map) or height * width <= 200',
     "x <- a: Pooling P { pool: AVE kernel_size: 16 }", "x <- a: Pooling P { pool: AVE kernel_size: 15 }"),
    ("Horizon: Eltwise of equal maps or one number a channel", "Eltwise",
     "same_shapes or (other_height == 1 and other_width == 1)",
     None, "x <- a a: Eltwise"),
    ("Horizon: Sigmoid, sizes rounded up", "Sigmoid",
     "min(round_up(width, 8) * round_up(channels, 4), round_up(channels, 32)) <= 31",
     "x <- a: Sigmoid", None),
    ("Horizon: ArgMax of axis 1, at most 64 channels, the first one", "ArgMax",
     '"axis" in given and axis == 1 and channels <= 64 and top_k == 1',
     "x <- a: ArgMax", "x <- a: ArgMax argmax_param { axis: 1 }"),
    ("Horizon: Upsample by a power of two", "Upsample", "power_of_two(scale)",
     "x <- a: Upsample upsample_param { scale: 3 }", "x <- a: Upsample upsample_param { scale: 4 }"),
    ("NNIE: Reshape leaves the first axis", "Reshape", "axis == 0 and len(dims) > 0 and dims[0] == 0",
     "x <- a: Reshape reshape_param { shape { dim: 1 dim: -1 } }",
     "x <- a: Reshape reshape_param { shape { dim: 0 dim: -1 } }"),
    ("NNIE: Slice along channels, height or width", "Slice", "axis in [1, 2, 3]",
     "x <- a: Slice slice_param { slice_dim: 0 }", "x,y <- a: Slice slice_param { axis: -1 }"),
    ("NNIE: names of at most 8 characters", "*", "name_length <= 8", "ninechars <- a: ReLU", "eightcha <- a: ReLU"),
    ("Ascend: pad less than the filter", "Convolution", "pad_h < kernel_h and pad_w < kernel_w",
     "x <- a: Convolution C { num_output: 4 kernel_size: 1 pad: 1 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 pad: 1 }"),
    ("Ascend: depthwise by group alone", "Convolution", "group == 1 or depthwise",
     "x <- a: Convolution C { num_output: 8 kernel_size: 3 group: 2 }",
     "x <- a: Convolution C { num_output: 8 kernel_size: 3 group: 8 }"),
    ("Ascend: sides of a Deconvolution's output", "Deconvolution",
     "2 <= top_height <= 64 and stride_h * stride_w < 256",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 8 stride: 8 }",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 4 stride: 4 }"),
    ("TensorRT: two bottoms", "Eltwise", "bottoms == 2", "x <- a a a: Eltwise", "x <- a a: Eltwise"),
    ("TensorRT: Scale has its numbers itself, one a channel", "Scale", "bottoms == 1 and axis == 1 and num_axes == 1",
     "x <- a: Scale scale_param { axis: 0 }", "x <- a: Scale"),
    ("TensorRT: no negative axis", "Softmax", "not negative_axis and 1 <= axis <= 3",
     "x <- a: Softmax softmax_param { axis: -3 }", "x <- a: Softmax softmax_param { axis: 1 }"),
    ("TensorRT: batches stay where they are", "Permute", "len(order) == 0 or order[0] == 0",
     "x <- a: Permute permute_param { order: 1 order: 0 }", "x <- a: Permute permute_param { order: 0 order: 2 }"),
    ("TensorRT: at most one -1", "Reshape", "count(dims, -1) <= 1", None,
     "x <- a: Reshape reshape_param { shape { dim: -1 } }"),
    ("TensorRT: not in place on an input", "*", "not on_input", "a <- a: ReLU", "x <- a: ReLU"),
    ("TensorRT: rounding up", "Pooling", "rounds_up or not overhangs",
     "x <- a: Pooling P { kernel_size: 3 stride: 2 round_mode: FLOOR }",
     "x <- a: Pooling P { kernel_size: 2 stride: 2 round_mode: FLOOR }"),
    ("TensorRT: no dilated Deconvolution", "Deconvolution", "dilation_h == 1 and dilation_w == 1",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 3 dilation: 2 }",
     "x <- a: Deconvolution C { num_output: 4 kernel_size: 3 }"),
    ("TPU-MLIR: global statistics, where stated", "BatchNorm", '"use_global_stats" not in given or use_global_stats',
     "x <- a: BatchNorm batch_norm_param { use_global_stats: false }", "x <- a: BatchNorm"),
    ("TPU-MLIR: sizes of one number", "Convolution", "not repeated_kernel",
     "x <- a: Convolution C { num_output: 4 kernel_size: 1 kernel_size: 3 }",
     "x <- a: Convolution C { num_output: 4 kernel_h: 1 kernel_w: 3 }"),
    ("TPU-MLIR: Scale of 2 or 4 axes", "Scale", "axes in [2, 4]", None, "x <- a: Scale"),
    ("SigmaStar: windows of at most 19 * 19", "Pooling", "global_pooling or kernel_h * kernel_w <= 49",
     "x <- a: Pooling P { kernel_size: 8 }", "x <- a: Pooling P { kernel_size: 7 }"),
    ("SigmaStar: whole positive exponents", "Power", "power > 0 and power == power // 1",
     "x <- a: Power power_param { power: 0.5 }", "x <- a: Power power_param { power: 2 }"),
    ("SigmaStar: the axis innermost, at most 16384 numbers", "Softmax", "axis == axes - 1 and axis_size <= 16384",
     "x <- a: Softmax", "x <- a: Softmax softmax_param { axis: 3 }"),
    ("SigmaStar: channels in sixteens", "Convolution",
     "round_up(channels, 16) // 16 * round_up(num_output, 16) // 16 < 16",
     "x <- a: Convolution C { num_output: 256 kernel_size: 1 }",
     "x <- a: Convolution C { num_output: 64 kernel_size: 1 }"),
    ("Arm NN: no axis", "InnerProduct", '"axis" not in given',
     "x <- a: InnerProduct inner_product_param { num_output: 2 axis: 2 }",
     "x <- a: InnerProduct inner_product_param { num_output: 2 }"),
    ("Vitis: dilation times channels", "Convolution",
     "dilation_h * channels <= 8 and pad_h <= (kernel_h - 1) * dilation_h",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 dilation: 2 }",
     "x <- a: Convolution C { num_output: 4 kernel_size: 3 pad: 2 }"),
    ("SNPE: BatchNorm with Scale alone", "BatchNorm", 'taken_by == ["Scale"]', "x <- a: BatchNorm", None),
    ("no activation behind an input", "ReLU", 'made_by != "Input"', "x <- a: ReLU", None),
    ("no weights from outside", "Scale", "has_weights", None, "x <- a: Scale"),
    ("RKNN: at most 4 axes behind a Reduction", "Reduction", "top_axes <= 1",
     "x <- a: Reduction reduction_param { axis: 2 }", "x <- a: Reduction reduction_param { axis: 1 }"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "needs", "beyond", "within"), [one[1:] for one in LIMITS], ids=[one[0] for one in LIMITS]
)
def test_limits_of_toolchains_can_be_said(kind, needs, beyond, within):
    limit = rule(kind, needs)
    if beyond is not None:
        net = net_of(beyond)
        report = check_target(net, made_target(net.layer[-1].type, rules=[limit]))
        assert [(fault.layer, fault.rule) for fault in report.faults] == [(net.layer[-1].name, limit)]
        assert not report.unchecked
    if within is not None:
        net = net_of(within)
        report = check_target(net, made_target(net.layer[-1].type, rules=[limit]))
        assert report.passed and not report.unchecked


def test_a_fault_says_what_was_found_what_is_allowed_and_on_whose_word():
    limit = Rule(("Pooling",), Expression("kernel_h <= 7 and kernel_w <= 7"), "refused", "pooling_param.kernel_size",
                 "at most 7", SOURCE,
                 when=Expression('pool == "AVE"'), id="average")  # fmt: skip
    net = net_of(
        "x <- a: Pooling pooling_param { pool: AVE kernel_size: 9 }", "y <- a: Pooling pooling_param { kernel_size: 9 }"
    )
    report = check_target(net, made_target("Pooling", rules=[limit]))
    expected = Fault(
        "x", "Pooling", "pooling_param.kernel_size", "kernel_h 9, kernel_w 9", "at most 7", "refused", SOURCE, limit
    )
    assert report.faults == (expected,) and not report.passed


def test_types_without_a_row_are_refused_on_the_word_of_others_and_refused_rows_on_their_own():
    target = read_target("rknn2")
    report = check_target(net_of("x <- a: Interp interp_param { zoom_factor: 2 }", "y <- a: Clip"), target)
    assert [(fault.type, fault.source) for fault in report.faults] == [
        ("Interp", target.others),
        ("Clip", target.rows["Clip"].source),
    ]
    assert report.faults[1].note == target.rows["Clip"].note


def test_layers_on_the_cpu_are_faults_where_the_accelerator_is_asked_for():
    net, target = net_of("x <- a: ReLU", "y <- x: Softmax"), made_target("ReLU", cpu=["Softmax"])
    report = check_target(net, target)
    assert report.passed and [fault.layer for fault in report.on_cpu] == ["y"]
    assert [fault.layer for fault in check_target(net, target, accelerated=True).faults] == ["y"]


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ("inputs <= 1", [("", "inputs 2")]),
        ("outputs <= 1", [("", "outputs 2")]),
        ("layers <= 4", [("", "layers 5")]),
        ("batch == 1", [("", "batch 2")]),
        ('count(types, "ReLU") <= 1', [("", "")]),
        ("inputs <= 2 and outputs <= 2 and batch <= 2", []),
    ],
)
def test_rules_for_the_network_as_a_whole(needs, found):
    net = net_of("x <- a: ReLU", "x <- x: ReLU", "y <- a b: Eltwise", a=(2, 3), b=(2, 3))
    assert [(one[0], one[2]) for one in told(net, rule("network", needs))] == found


def test_neighbours_are_the_last_that_wrote_a_bottom_and_all_that_take_the_tops():
    net = net_of(
        "c <- a: Convolution C { num_output: 8 kernel_size: 1 }", "c <- c: ReLU", "n <- c: BatchNorm", "s <- n: Scale",
        "t <- s: TanH",
        "u <- s: TanH",
    )  # fmt: skip
    rules = [
        rule("BatchNorm", 'made_by == "Convolution" and taken_by == []'),
        rule("Scale", 'taken_by == ["TanH", "TanH"]'),
    ]
    (fault,) = check_target(net, made_target("Convolution", "ReLU", "BatchNorm", "Scale", "TanH", rules=rules)).faults
    assert fault.found == "made_by ReLU, taken_by Scale"


def test_blobs_that_layers_write_in_place():
    net = net_of(
        "s,t <- a: Split", "s <- s: ReLU", "b <- t: BatchNorm", "b <- b: Scale", "b <- b: ReLU", "c <- b: TanH"
    )
    rules = [
        rule("ReLU", "not in_place_before"),
        rule("Split", "written_over == 0"),
        rule("TanH", "not in_place_before"),
    ]
    types = ("Split", "ReLU", "BatchNorm", "Scale", "TanH")
    faults = check_target(net, made_target(*types, rules=rules)).faults
    assert [(fault.layer, fault.found) for fault in faults] == [
        (net.layer[1].name, "written_over 1"),
        (net.layer[5].name, "in_place_before True"),
        (net.layer[6].name, "in_place_before True"),
    ]


@pytest.mark.parametrize(
    ("layers", "unchecked"),
    [
        # A type that is not known here, and what is behind it; a rule that needs no shapes is checked.
        (["x <- a: Mystery", "y <- x: ReLU"],
         [("x", "its type is not known here"), ("y", "bottom: channels not known .behind 'x'")]),
        (["x <- a: Mystery", "y <- x: Sigmoid"], [("x", "its type is not known here")]),
        (["x <- a: Mystery", "y <- a: ReLU"], [("x", "its type is not known here")]),
        (["a <- a: Mystery", "y <- a: ReLU"], [("a", "its type is not known here"), ("y", "channels not known")]),
        # SegNet's layer of this name has a mask.
        (["u <- a a: Upsample", "y <- u: ReLU"],
         [("u", "here is another layer: bottom: found 2, expected 1"), ("y", "channels not known .behind 'u'")]),
    ],
)  # fmt: skip
def test_layers_that_could_not_be_checked_are_listed_with_the_reason(layers, unchecked):
    limit = Rule(("ReLU",), Expression("channels <= 64"), "refused", "bottom", "at most 64 channels", SOURCE)
    report = check_target(net_of(*layers), made_target("Mystery", "ReLU", "Sigmoid", "Upsample", rules=[limit]))
    assert report.passed
    assert [one.layer for one in report.unchecked] == [layer for layer, _ in unchecked]
    assert all(re.search(reason, one.reason) for one, (_, reason) in zip(report.unchecked, unchecked, strict=True))


def test_without_shapes_of_inputs_what_needs_none_is_checked():
    net = parse_text(
        'layer { name: "d" type: "Data" top: "d" data_param { batch_size: 2 } include { phase: TEST } }'
        'layer { name: "p" type: "Pooling" bottom: "d" top: "p" pooling_param { kernel_size: 9 } }'
        'layer { name: "l" type: "SoftmaxWithLoss" bottom: "p" include { phase: TRAIN } }',
        NetParameter(),
    )
    rules = [rule("Pooling", "kernel_h <= 7"), rule("Pooling", "channels <= 64")]
    report = check_target(net, made_target("Data", "Pooling", rules=rules))
    assert [fault.found for fault in report.faults] == ["kernel_h 9"]
    assert report.notes == (
        "input 'd': data_param: found no crop, and the data base is not read, so give this input's shape "
        "(input_shapes, or --input-shape of a command)",
    )
    (unchecked,) = report.unchecked
    assert unchecked[:2] == ("p", "Pooling") and "channels not known (behind 'd')" in unchecked.reason
    assert not check_target(
        net, made_target("Data", "Pooling", rules=rules), input_shapes={"d": (2, 3, 20, 20)}
    ).unchecked


def test_old_formats_are_upgraded_first():
    v1 = 'layers { name: "p" type: POOLING bottom: "a" top: "p" pooling_param { kernel_size: 9 } }'
    v0 = 'layers { layer { name: "p" type: "pool" kernelsize: 9 } bottom: "a" top: "p" }'
    for text in (v1, v0):
        net = parse_text(f'input: "a" input_dim: 1 input_dim: 3 input_dim: 16 input_dim: 16 {text}', NetParameter())
        assert told(net, rule("Pooling", "kernel_h <= 7"), types="Input Pooling") == [
            ("p", "kernel_h <= 7", "kernel_h 9")
        ]


@pytest.mark.parametrize(
    ("layers", "types", "fields", "faults"),
    [
        ("x <- a: Clip clip_param { min: 0 max: 6 }", "Clip", {"lacks": ["clip_param"]}, ["clip_param"]),
        ("x <- a: Clip", "Clip", {"lacks": ["clip_param"]}, []),
        ("x <- a: Pooling P { kernel_size: 2 round_mode: FLOOR }", "Pooling", {"lacks": ["pooling_param.round_mode"]},
         ["pooling_param.round_mode"]),
        ("x <- a: Pooling pooling_param { kernel_size: 2 }", "Pooling", {"lacks": ["pooling_param.round_mode"]}, []),
        ("x <- a: Convolution C { num_output: 2 kernel_size: 1 dilation: 1 }", "Convolution",
         {"lacks": ["convolution_param.dilation"]}, ["convolution_param.dilation"]),
        # Private fields: of a type that the target runs, by number, by name, and not at all.
        ("x <- a: Interp interp_param { zoom_factor: 2 }", "Interp", {}, []),
        ("x <- a: ReLU interp_param { zoom_factor: 2 }", "ReLU", {}, ["interp_param"]),
        ("x <- a: ReLU interp_param { zoom_factor: 2 }", "ReLU Interp", {}, []),
        ("x <- a: ReLU upsample_param { scale: 2 }", "ReLU", {"numbers": {"upsample_param": 160}}, []),
        ("x <- a: ReLU upsample_param { scale: 2 }", "ReLU", {"knows": ["upsample_param"]}, []),
        ("x <- a: ReLU upsample_param { scale: 2 }", "ReLU Upsample", {"lacks": ["upsample_param"]},
         ["upsample_param"]),
        ("x <- a: Softmax softmax_param { label_mode: 2 }", "Softmax", {}, ["softmax_param.label_mode"]),
        ("x <- a: Softmax softmax_param { label_mode: 2 }", "Softmax", {"knows": ["softmax_param.label_mode"]}, []),
    ],
)  # fmt: skip
def test_fields_that_a_targets_proto_lacks_are_faults(layers, types, fields, faults):
    target = made_target(*types.split())
    stated = Fields(
        fields.get("numbers", {}),
        dict.fromkeys(fields.get("lacks", ()), SOURCE),
        SOURCE,
        tuple(fields.get("knows", ())),
    )
    object.__setattr__(target, "fields", stated)
    report = check_target(net_of(layers), target)
    assert [(fault.field, fault.outcome) for fault in report.faults] == [(field, "refused") for field in faults]


def test_fields_that_the_text_has_and_caffe_proto_has_not_are_faults_or_unchecked():
    net = net_of("x <- a: Pooling pooling_param { kernel_size: 2 }", "y <- a: Reorg", "z <- a: TanH")
    unread = {"x": ["pooling_param.ceil_mode"], "y": ["reorg_param.stride"], "z": ["strange"], "": ["odd"]}
    target = made_target("Pooling", "Reorg", "TanH")
    report = check_target(net, target, unread=unread)
    assert [(fault.layer, fault.field) for fault in report.faults] == [
        ("x", "pooling_param.ceil_mode"),
        ("z", "strange"),
        ("", "odd"),
    ]
    (unchecked,) = report.unchecked
    assert unchecked.layer == "y" and "reorg_param.stride" in unchecked.reason
    object.__setattr__(target, "fields", Fields(knows=("pooling_param.ceil_mode", "strange", "odd")))
    report = check_target(net, target, unread=unread)
    assert report.passed and [one.layer for one in report.unchecked] == ["x", "y", "z"]


def test_networks_that_caffe_refuses_and_conditions_that_cannot_be_computed():
    with pytest.raises(NetworkError, match="layer 'x'"):
        told(net_of("x <- a: Pooling pooling_param { kernel_size: 0 }"))
    with pytest.raises(FormatError, match=r"target made: rule of ReLU on .*: condition 'type < 3'"):
        told(net_of("x <- a: ReLU"), rule("ReLU", "type < 3"))


def test_the_report_in_plain_values():
    limit = Rule(
        ("Eltwise",),
        Expression("coeff == []"),
        "silent",
        "eltwise_param.coeff",
        "none",
        SOURCE,
        off_by="up to 3 %",
        id="coeff",
    )
    net = net_of("x <- a a: Eltwise eltwise_param { coeff: 1 coeff: -1 }", "y <- x: Mystery")
    found = check_target(net, made_target("Eltwise", "Mystery", rules=[limit])).as_json()
    source = {"text": "made for a test", "kind": "judgement", "version": "1", "date": "2026", "excerpt": False}
    assert json.loads(json.dumps(found)) == {
        "network": "small",
        "target": {"name": "made", "title": "Made", "version": "1", "date": "2026"},
        "layers": 3,
        "passed": False,
        "faults": [
            {
                "layer": "x", "type": "Eltwise", "field": "eltwise_param.coeff", "found": "coeff 1, -1",
                "allowed": "none",
                "outcome": "silent", "off_by": "up to 3 %", "note": "", "rule": "coeff", "rewrite": None,
                "source": source,
            }
        ],
        "on_cpu": [],
        "unchecked": [
            {
                "layer": "y", "type": "Mystery",
                "reason": "its type is not known here, so that its name alone was checked",
            }
        ],
        "off_by": None,
        "notes": [],
    }  # fmt: skip


def test_the_report_in_words_puts_equal_faults_together():
    limit = Rule(
        ("Eltwise",), Expression("coeff == []"), "silent", "eltwise_param.coeff", "none", SOURCE, off_by="up to 3 %"
    )
    names = "bcdef"
    net = net_of(
        *(f"{name} <- a a: Eltwise eltwise_param {{ coeff: 1 coeff: -1 }}" for name in names),
        "s <- a: Softmax",
        "m <- a: Mystery",
    )
    target = made_target("Eltwise", "Mystery", cpu=["Softmax"], rules=[limit])
    assert str(check_target(net, target)).splitlines() == [
        "small on made (Made 1, 2026): 5 faults in 5 of 8 layers, 1 on the CPU, 1 not checked whole",
        "",
        "other numbers: Eltwise, 5 layers: b, c, d, ...",
        "  eltwise_param.coeff: found coeff 1, -1, allowed: none [test]",
        "  numbers: up to 3 %",
        "  rewrite: none",
        "",
        "On the CPU beside the accelerator:",
        "  Softmax 's' [test]",
        "",
        "Not checked whole:",
        "  Mystery m: its type is not known here, so that its name alone was checked",
        "",
        "Sources:",
        "  [test] made for a test (judgement; version 1, 2026)",
    ]


@pytest.fixture(scope="module")
def zoo():
    return [generate(CARDS[name].architecture) for name in ("df1", "pl1a_seg")]


@pytest.mark.parametrize("target", list_targets())
def test_the_zoo_is_checked_whole_against_every_target(zoo, target):
    for net in zoo:
        report = check_target(net, read_target(target))
        assert not report.unchecked
        assert all(fault.source.text and fault.found and fault.allowed for fault in (*report.faults, *report.on_cpu))


def test_private_messages_are_options_of_types_that_are_known_here():
    assert set(PRIVATE_MESSAGES) <= {options for kind in LAYERS for options in LAYERS[kind].options}


@pytest.mark.parametrize("target", ["bvlc", "vitis"])
def test_any_network_ends_in_a_report_or_a_caffe_error(target):
    """One layer of every type, without options, on a map, twice over: in place and not."""
    one = read_target(target)
    for kind in LAYERS:
        for text in (f"x <- a: {kind}", f"a <- a: {kind}", f"x <- a a: {kind}", f"x <-: {kind}"):
            try:
                check_target(net_of(text), one)
            except CaffeError as fault:
                assert str(fault)
