"""The files of the networks on the boundary: Caffe can go on training them."""

import pytest
import torch

from converters.pytorch.module import to_torch
from converters.weights import load_weights
from prototxt_gen.proto import SolverParameter
from prototxt_gen.text import parse_text, read_prototxt
from search.report.publishing import PAGE, PICTURE, TABLE


def test_every_boundary_network_has_its_four_files(finished):
    folder = finished.folder
    names = {"study.db", "latency.json", "boundary.json", "networks", PAGE, TABLE, PICTURE}
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == names
    for network in (folder / "networks").iterdir():
        expected = {"deploy.prototxt", "train_val.prototxt", "solver.prototxt", "weights.caffemodel"}
        expected |= {"merged.prototxt", "merged.caffemodel"}
        assert {path.name for path in network.iterdir()} == expected
        solver = parse_text((network / "solver.prototxt").read_text(), SolverParameter())
        assert solver.net == "train_val.prototxt" and solver.weight_decay == pytest.approx(1e-4)
        assert solver.max_iter == 2 * (1198 // 32) and solver.test_iter[0] * 32 >= 599
        train_val = read_prototxt(network / "train_val.prototxt")
        to_torch(train_val, load_weights(network / "weights.caffemodel"), phase="TRAIN", outputs=["loss"])
        assert not train_val.layer[0].transform_param.mirror  # a mirrored digit is none


def test_the_merged_network_gives_the_same_scores(finished):
    images = torch.randn(4, 3, 16, 16)
    for network in finished.found:
        assert network.caffemodel and network.merged_caffemodel and network.merged_prototxt
        files = ((network.prototxt, network.caffemodel), (network.merged_prototxt, network.merged_caffemodel))
        nets = [read_prototxt(finished.folder / prototxt) for prototxt, _ in files]
        assert [any(layer.type == "BatchNorm" for layer in net.layer) for net in nets] == [True, False]
        modules = [to_torch(net, finished.folder / weights) for net, (_, weights) in zip(nets, files, strict=True)]
        with torch.inference_mode():
            torch.testing.assert_close(*(module(images) for module in modules), rtol=1e-4, atol=1e-4)
