"""MM-Pyramid's convolutions as matrix products, and how far its levels see."""

from __future__ import annotations

import pytest
import torch

from leap_avvp.models.encoders.mm_pyramid import DilatedConvolution, MMPyramid


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
def test_the_matrix_product_equals_torchs_convolution(dilation):
    torch.manual_seed(0)
    layer = DilatedConvolution(16, dilation)
    x = torch.randn(3, 10, 16)
    hidden = layer.wide(x.transpose(1, 2)).relu()
    expected = (layer.point(hidden).transpose(1, 2) + x).relu()
    torch.testing.assert_close(layer(x), expected)


def test_one_level_sees_as_far_as_its_band_and_its_convolution():
    torch.manual_seed(0)
    encoder = MMPyramid(dim=16, dilations=[1], num_heads=2, feed_forward_dim=16).eval()
    audio, visual = torch.randn(2, 1, 10, 16)
    audio.requires_grad_()
    encoder(audio, visual).visual[0, 5].sum().backward()
    seen = audio.grad[0].abs().sum(-1) > 0
    assert seen.tolist() == [3 <= second <= 7 for second in range(10)]  # 1 by attention, then 1 by convolution
