"""What ONNX has no operation for that is right at any size, as products and picks computed from the sizes."""

# Shapes: B batch, C channels, h w cells, n m cells before and after

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class AsProducts(TorchFunctionMode):
    """While a network is traced: antialiased bicubic resizing (a transformer's position embeddings), pools to n cells.

    Both are a weighted mean along each axis, and so a product with a matrix on either side of the map. And a roll:
    its cells are picked by number, because torch writes one that is wrong where it is longer than the map.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.interpolate and kwargs.get("antialias") and kwargs.get("mode") == "bicubic":
            return along_both(args[0], kwargs["size"], bicubic)
        if func is torch.roll:
            return rolled(*args, **kwargs)
        if func is F.interpolate and kwargs.get("mode") == "area":
            func, args, kwargs = F.adaptive_avg_pool2d, (args[0], kwargs["size"]), {}
        if func is F.adaptive_avg_pool2d:
            cells = args[1] if len(args) > 1 else kwargs["output_size"]
            pair = (cells, cells) if isinstance(cells, int) else tuple(cells)
            if pair != (1, 1) and None not in pair:
                return along_both(args[0], pair, pooled)
        return func(*args, **kwargs)


def rolled(x: Tensor, shifts: Any, dims: Any) -> Tensor:
    """torch.roll along axes: what leaves a map at one end comes in at the other."""
    for shift, axis in zip(*((given,) if isinstance(given, int) else given for given in (shifts, dims)), strict=True):
        cells = x.shape[axis]
        x = x.index_select(axis, torch.remainder(torch.arange(cells, device=x.device) - shift, cells))
    return x


def along_both(x: Tensor, size: Any, matrix: Any) -> Tensor:
    """A map [B, C, h, w] brought to `size` cells."""
    rows, columns = (matrix(x.shape[axis], cells, x) for axis, cells in ((-2, size[0]), (-1, size[1])))
    product: Tensor = rows @ x @ columns.transpose(0, 1)
    return product


def bicubic(n: Any, m: Any, like: Tensor) -> Tensor:
    """Weights [m, n] of torch's antialiased bicubic resizing: Keys' cubic, a = -0.5, over the coarser cells."""
    scale = torch.ones((), dtype=like.dtype, device=like.device) * n / m
    centres = (torch.arange(m, device=like.device).to(like.dtype) + 0.5) * scale
    cells = torch.arange(n, device=like.device).to(like.dtype) + 0.5
    x = ((cells[None] - centres[:, None]) / scale.clamp(min=1)).abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    weights = torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
    return weights / weights.sum(1, keepdim=True)


def pooled(n: Any, m: Any, like: Tensor) -> Tensor:
    """Weights [m, n] of an adaptive mean: cell i of m covers those from floor(i n / m) to ceil((i + 1) n / m)."""
    i, cells = torch.arange(m, device=like.device)[:, None], torch.arange(n, device=like.device)[None]
    first, end = i * n // m, ((i + 1) * n + m - 1) // m
    inside: Tensor = ((cells >= first) & (cells < end)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)
