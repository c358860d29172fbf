"""An exported file beside the network it was made of: run in its real runtime at several sizes before it counts."""

# Shapes: B batch, C bands, K classes, H W pixels

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from seglight.deploy.about import About
from seglight.deploy.runtimes import Runtime, one_line

SIZES = ((1, 1), (64, 96), (97, 129), (130, 75))  # height and width, even and odd
TOLERANCE = 2e-4  # of the range of a network's logits; sums of float32 in another order differ by 1e-5 of it at most


def differences(
    runtime: Runtime,
    net: nn.Module,
    about: About,
    sizes: Sequence[tuple[int, int]] = SIZES,
    relative: bool = False,
) -> dict[str, float]:
    """By size, the largest difference from PyTorch's logits; of classes, the share of pixels that differ.

    relative: as a share of the range of the logits.
    ValueError where a file cannot run, gives another shape or differs by more than rounding. An int8 file rounds its
    weights: its score says what that costs, and here its shapes alone are checked.
    """
    found = {}
    for number, (height, width) in enumerate(sizes):
        images = noise(number, 1 + number % 2, about.bands, height, width)
        given = images if about.value_range is None else images.float()
        where = f"{height} x {width}"
        with torch.inference_mode():
            expected = net(given).float().numpy()
        try:
            answer = runtime(given.numpy())
        except Exception as error:
            raise ValueError(f"at {where} pixels it does not run: {one_line(error)}") from None
        found[where] = compared(answer, expected, about, where) / (spread(expected) if relative else 1)
    return found


def noise(seed: int, batch: int, bands: int, height: int, width: int) -> torch.Tensor:
    """Random images uint8 [B, C, H, W]."""
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, bands, height, width), dtype=torch.uint8, generator=random)


def compared(answer: np.ndarray, expected: np.ndarray, about: About, where: str) -> float:
    """The difference of one answer from PyTorch's logits [B, K, H, W]."""
    classes = about.output == "classes"
    shape = (len(expected), *expected.shape[2:]) if classes else expected.shape
    if answer.shape != shape:
        raise ValueError(f"at {where} pixels it gives {list(answer.shape)}, PyTorch {list(shape)}")
    if about.precision == "int8":
        return float((answer != expected.argmax(1)).mean() if classes else np.abs(answer - expected).max())
    allowed = TOLERANCE * spread(expected)
    if classes:
        chosen = np.take_along_axis(expected, answer[:, None].astype(np.int64), 1)[:, 0]
        difference = float((expected.max(1) - chosen).max())  # a class that is as good is no error
    else:
        difference = float(np.abs(answer - expected).max())
    if not difference <= allowed:
        low, high = expected.min(), expected.max()
        raise ValueError(
            f"at {where} pixels it differs by {difference:.3g} from PyTorch's logits, {low:.3g} to {high:.3g}"
        )
    return float((answer != expected.argmax(1)).mean()) if classes else difference


def spread(logits: np.ndarray) -> float:
    """The range of logits; that of a network which says nothing is not 0."""
    return max(float(np.ptp(logits)), 1e-3)
