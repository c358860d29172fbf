"""Where the cells of a feature map lie on the image, and how two maps are laid over each other.

Shapes: B batch, C channels, H W pixels or cells, s stride.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary


@dataclass(frozen=True)
class Field:
    """Cell i of a map is centred on input pixel `offset + i * stride` and sees `size` pixels a side."""

    stride: float = 1
    offset: float = 0
    size: float = 1

    def finer(self, factor: float, reach: float) -> Field:
        """The field after upsampling by `factor`, where a cell reads `reach` more cells of this map."""
        stride = self.stride / factor
        return Field(stride, self.offset - (factor - 1) / 2 * stride, self.size + reach * self.stride)

    def moved(self, cells: float) -> Field:
        """The field of a map that begins `cells` later."""
        return Field(self.stride, self.offset + cells * self.stride, self.size)

    def window(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> Field:
        """The field after a sliding window: a convolution or a pool."""
        reach = (kernel - 1) * dilation
        offset = self.offset + (reach / 2 - padding) * self.stride
        return Field(self.stride * stride, offset, self.size + reach * self.stride)


class FieldTracer(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the field of one map through every operation that really runs (rows only: windows are square)."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.fields = WeakTensorKeyDictionary()
        self.fields[image] = Field()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        known = [self.fields[x] for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x in self.fields]
        if known:
            field = after(func.overloadpacket.__name__, args, out, max(known, key=lambda f: f.size))
            for x in tree_leaves(out):
                if isinstance(x, Tensor):
                    self.fields[x] = field
        return out


def after(op: str, args: Any, out: Any, field: Field) -> Field:
    """The field behind one ATen operation."""
    if op == "convolution":  # input, weight, bias, stride, padding, dilation, transposed
        kernel, stride, padding = args[1].shape[2], args[3][0], args[4][0]
        if not args[6]:
            return field.window(kernel, stride, padding, args[5][0])
        return field.finer(stride, -(-kernel // stride) - 1).moved((stride - 1) / 2 - (kernel - 1) / 2 + padding)
    if op in ("max_pool2d_with_indices", "avg_pool2d"):  # input, kernel, stride, padding, dilation (of max)
        kernel = args[1][0]
        stride = args[2][0] if len(args) > 2 and args[2] else kernel
        padding = args[3][0] if len(args) > 3 else 0
        dilation = args[4][0] if len(args) > 4 and op.startswith("max") else 1
        return field.window(kernel, stride, padding, dilation)
    if op.startswith("upsample"):
        return field.finer(out.shape[2] / args[0].shape[2], 0 if "nearest" in op else 1)
    if op in ("constant_pad_nd", "reflection_pad2d", "replication_pad2d"):  # left, right, top, bottom
        return field.moved(-args[1][2] if len(args[1]) > 2 else 0)
    if op == "slice" and args[0].dim() == 4 and args[1] % 4 == 2 and len(args) > 2:  # input, dimension, start
        return field.moved(args[2] or 0)
    pooled = op == "_adaptive_avg_pool2d" or (
        op == "mean" and args[0].dim() == 4 and len(args) > 1 and len(args[1]) > 1
    )
    if pooled or op == "bmm" or op.startswith("_scaled_dot_product"):  # squeeze-and-excitation, attention
        return Field(field.stride, field.offset, math.inf)
    return field


def on_meta(module: nn.Module, *args: Any) -> Any:
    """The module's output for meta tensors: shapes, without memory or arithmetic; its own state stays as it is."""
    state = {name: value.to("meta") for name, value in (*module.named_parameters(), *module.named_buffers())}
    return functional_call(module, state, args)


def trace(stages: Iterable[nn.Module], channels: int) -> list[tuple[int, Field]]:
    """The channels and the field of each stage's map, from a pass without memory or arithmetic (meta tensors)."""
    image = torch.empty(1, channels, 512, 512, device="meta")
    found = []
    with torch.inference_mode(False), torch.no_grad(), FieldTracer(image) as tracer:
        x = image
        for stage in stages:
            x = on_meta(stage, x)
            found.append((x.shape[1], tracer.fields[x]))
    return found


def frame(x: Tensor, lead: int, size: tuple[int, int], mode: str = "constant") -> Tensor:
    """Shifts a map right and down by `lead` cells and makes it `size`: cropped, or padded where it has no cells."""
    height, width = size
    x, lead = x[..., max(-lead, 0) :, max(-lead, 0) :], max(lead, 0)
    x = x[..., : larger(height - lead, 1), : larger(width - lead, 1)]
    right, bottom = larger(width - lead - x.shape[-1], 0), larger(height - lead - x.shape[-2], 0)
    if tracing() or lead or right or bottom:
        x = F.pad(x, (lead, right, lead, bottom), mode=mode)[..., :height, :width]
    return x


def on_image(x: Tensor, stride: int, corner: int, size: tuple[int, int]) -> Tensor:
    """A map bilinear at every pixel: cell 0 begins at pixel `corner`; where there are no cells the last ones repeat."""
    x = F.interpolate(x, scale_factor=float(stride), mode="bilinear", align_corners=False)
    return frame(x, corner, size, "replicate")


def tracing() -> bool:
    """Whether torch.jit.trace runs this, as an export does: sizes are tensors then, and an `if` on them is frozen."""
    traced: bool = not torch.compiler.is_compiling() and torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return traced


def larger(a: Any, b: Any) -> Any:
    """The larger of two sizes, while torch traces too."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.maximum(torch.as_tensor(a), torch.as_tensor(b))
    return max(a, b)


def bilinear_kernel(size: int) -> Tensor:
    """The interpolating kernel [size, size] (Long et al. 2015, section 3.3; the authors' surgery.py)."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    hat = 1 - (torch.arange(size, dtype=torch.float64) - centre).abs() / factor
    return (hat[:, None] * hat[None, :]).float()


def mirror(x: Tensor, before: int, height: int, width: int) -> Tensor:
    """Extends an image by reflection to `height` x `width`, `before` pixels above and to the left; any size >= 1."""
    return x.index_select(2, reflected(x.shape[2], before, height, x)).index_select(
        3, reflected(x.shape[3], before, width, x)
    )


def reflected(size: int, before: int, total: int, like: Tensor) -> Tensor:
    """Source indices of `total` positions that start `before` the first of `size`, the edge not repeated."""
    period = larger(2 * (size - 1), 1)  # of a single pixel: 1, and every remainder is 0
    position = (torch.arange(total, device=like.device) - before).remainder(period)
    return torch.minimum(position, period - position)
