"""A network in stock Caffe's words computes what it computes in the fork's."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from converters.pytorch.module import to_torch, weights_of  # noqa: E402
from prototxt_gen import generate  # noqa: E402
from prototxt_gen.passes.stock import stock_weights, to_stock  # noqa: E402

CODES = ["t8-16_u16x2_u32x2_u64_q8-32_e32-16-8_u2_c5", "s4-8_b8_b16_b16_p8-16_d8-4x2_u8_c5"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("size", [(96, 160), (77, 130)])
def test_the_scores_are_the_same(code, size):
    torch.manual_seed(1)
    net = generate(code, input_shape=(2, 3, *size), merged=True)
    module = to_torch(net).eval()
    weights = weights_of(module) | stock_weights(net)
    stock = to_torch(to_stock(net), weights).eval()
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected, found = module(image), stock(image)
    assert torch.allclose(found, expected, atol=1e-5 * float(expected.abs().max()))
