"""Matrix products that stand for operations which ONNX does not have: the same numbers as torch's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seglight.deploy.products import AsProducts


@pytest.mark.parametrize(("cells", "wanted"), [(14, (14, 14)), (14, (5, 9)), (14, (37, 3)), (3, (1, 1)), (1, (6, 2))])
def test_resizing_and_pooling_are_torchs(cells: int, wanted: tuple[int, int]) -> None:
    x = torch.randn(2, 3, cells, cells + 2, generator=torch.Generator().manual_seed(0))
    resized = F.interpolate(x, wanted, mode="bicubic", antialias=True)
    pooled = torch.nn.AdaptiveAvgPool2d(wanted)(x)
    with AsProducts():
        torch.testing.assert_close(F.interpolate(x, wanted, mode="bicubic", antialias=True), resized, atol=2e-5, rtol=0)
        torch.testing.assert_close(torch.nn.AdaptiveAvgPool2d(wanted)(x), pooled, atol=2e-5, rtol=0)
