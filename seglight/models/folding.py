"""Batch norms folded into the convolutions before them, in a network that only predicts: fewer passes over its maps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(net: nn.Module, images: Tensor) -> int:
    """Folds them in place and returns how many; logits change by rounding, about 1e-6 of their range in float32.

    net is in eval mode. images [B, C, H, W]: a pass over them tells which convolution a norm follows. Norms that
    follow something else, or a convolution that is used twice, stay.
    """
    makers: dict[int, Any] = {}
    outputs: list[Tensor] = []  # held, so that no id is given twice
    calls: dict[Any, int] = {}
    pairs: list[tuple[Any, Any]] = []

    def seen(module: nn.Module, inputs: Any, output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        if isinstance(module, nn.BatchNorm2d):
            if (maker := makers.get(id(inputs[0]))) is not None:
                pairs.append((maker, module))
        else:
            outputs.append(output)
            makers[id(output)] = module

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    hooks = [module.register_forward_hook(seen) for module in net.modules() if isinstance(module, kinds)]
    with torch.inference_mode():
        net(images)
    for hook in hooks:
        hook.remove()
    fits = [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1 and can_fold(conv, norm)]
    folded: dict[nn.Module, nn.Module] = {}
    for conv, norm in fits:
        folded[conv] = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
        folded[norm] = rest(norm)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if child in folded:
                setattr(parent, name, folded[child])
    return len(fits)


def can_fold(conv: Any, norm: Any) -> bool:
    """Not a norm without running statistics, nor what torch does not fold: grouped transposed convolutions."""
    return norm.running_mean is not None and not (isinstance(conv, nn.ConvTranspose2d) and conv.groups > 1)


def rest(norm: Any) -> nn.Module:
    """What a norm does behind normalising: timm's apply the activation too."""
    if hasattr(norm, "act"):
        return nn.Sequential(norm.drop, norm.act)
    return nn.Identity()
