"""PyTorch's own files: read without running code in them, written so that Caffe's weights come back."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from converters.pytorch.module import to_torch, weights_of
from converters.pytorch.state_dict import read_module_weights, read_state_dict, write_module_weights
from prototxt_gen import FormatError, NetParameter, WeightsError


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_checkpoints_are_read_with_and_without_a_wrapper(wrapper: str | None, tmp_path: Path) -> None:
    state = {"a.weight": torch.ones(2)}
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, tmp_path / "c.pth")
    assert read_state_dict(tmp_path / "c.pth")["a.weight"].tolist() == [1, 1]


class Evil:
    def __reduce__(self):
        return (print, ("ran",))


@pytest.mark.parametrize("new_format", [True, False])
def test_code_in_a_checkpoint_does_not_run(
    new_format: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": Evil()}, tmp_path / "c.pth", _use_new_zipfile_serialization=new_format)
    with pytest.raises(FormatError, match=r"c\.pth: refused, because loading it would run code in it \(print\)"):
        read_state_dict(tmp_path / "c.pth")
    assert "ran" not in capsys.readouterr().out


def saved(**options: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"a.weight": torch.ones(300)}, file, **options)
    return file.getvalue()


def torch_script() -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), file)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: b"", "the file is empty"),
        (lambda: b"no checkpoint", "not a file that torch.save writes"),
        (lambda: bytes(range(255, -1, -1)), "not a file that torch.save writes"),
        (lambda: b"PK\x03\x04" + bytes(100), "a zip archive that is cut short, damaged"),
        (lambda: saved()[:700], "a zip archive that is cut short, damaged"),
        (lambda: saved(_use_new_zipfile_serialization=False)[:-50], "a pickle that is cut short, damaged"),
        (lambda: pickle.dumps(Evil()), "a pickle .* not written by torch.save; no code in it is run"),
        (torch_script, "found a TorchScript program, whose code is not run"),
    ],
)
def test_other_files_are_refused_in_words_of_our_own(
    make: Callable[[], bytes], sentence: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "c.pth").write_bytes(make())
    recwarn.clear()
    with pytest.raises(FormatError, match=rf"c\.pth: {sentence}.*; expected a state_dict of tensors$") as fault:
        read_state_dict(tmp_path / "c.pth")
    assert "weights_only" not in str(fault.value) and not recwarn.list


@pytest.mark.parametrize("new_format", [True, False])
def test_damaged_files_end_in_one_kind_of_error(new_format: bool, tmp_path: Path) -> None:
    good = saved(_use_new_zipfile_serialization=new_format)
    random = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(good)
        damaged[random.integers(min(len(good), 600))] = random.integers(256)
        (tmp_path / "c.pth").write_bytes(damaged)
        with suppress(FormatError):
            read_state_dict(tmp_path / "c.pth")


def test_a_list_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([1], tmp_path / "c.pth")
    with pytest.raises(FormatError, match="found a list, expected a state_dict"):
        read_state_dict(tmp_path / "c.pth")


NET = (
    'layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 2 } }'
    'layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" inner_product_param { num_output: 2 } }'
    'layer { name: "s" type: "Silence" bottom: "b" }'
)


def test_weights_come_back_from_a_state_dict(net_of: Callable[..., NetParameter], tmp_path: Path) -> None:
    """Those of layers that no output needs among them."""
    net = net_of(NET, x=(1, 3))
    weights = weights_of(to_torch(net))
    write_module_weights(weights, tmp_path / "net.pt", net)
    again = read_module_weights(tmp_path / "net.pt", net)
    assert list(again) == ["a", "b"]
    for name, blobs in weights.items():
        for one, other in zip(blobs, again[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_state_dict_of_another_network_is_refused(net_of: Callable[..., NetParameter], tmp_path: Path) -> None:
    net = net_of(NET, x=(1, 3))
    torch.save({"a.weight": torch.ones(2, 3)}, tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r'net\.pt: weights do not fit network .*"a.bias"'):
        read_module_weights(tmp_path / "net.pt", net)
