"""What stands for operations which ONNX does not have, or which torch writes wrongly: the same numbers as torch's."""

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
        torch.testing.assert_close(F.interpolate(x, wanted, mode="area"), pooled, atol=2e-5, rtol=0)


@pytest.mark.parametrize("cells", [1, 2, 3, 7])
def test_a_map_shorter_than_the_roll_is_rolled_as_torch_does(cells: int) -> None:
    x = torch.randn(1, cells, cells + 1, 2, generator=torch.Generator().manual_seed(0))
    expected = x.roll((-3, 3), (1, 2)), x.roll(-3, 1)
    with AsProducts():
        found = torch.roll(x, shifts=(-3, 3), dims=(1, 2)), torch.roll(x, -3, 1)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
