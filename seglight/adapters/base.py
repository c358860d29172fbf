"""The base of adapters: an encoder's own weights, which no step changes and which a checkpoint can do without."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from seglight.adapters.adapter import adapters_in

STATES = ("state_dict", "current_model_state")  # of a checkpoint: the weights, and those that an average is made of


def base_of(net: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of the encoder's stages, by their names in the network's state dict, without adapters."""
    stages = list(getattr(getattr(net, "encoder", None), "stages", ()))
    added = {id(m) for adapter in adapters_in(stages) for m in adapter.modules()}
    if not added:
        return {}
    own = [m for stage in stages for m in stage.modules() if id(m) not in added]
    tensors = {id(t) for m in own for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))}
    return {name: t for name, t in net.state_dict(keep_vars=True).items() if id(t) in tensors}


def fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, kinds, shapes and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def leave_out(checkpoint: dict[str, Any], net: nn.Module) -> None:
    """Takes the base out of a checkpoint of Lightning's."""
    names = {f"net.{name}" for name in base_of(net)}
    for key in STATES:
        if key in checkpoint:
            checkpoint[key] = {name: value for name, value in checkpoint[key].items() if name not in names}


def put_back(checkpoint: dict[str, Any], net: nn.Module) -> None:
    """Completes such a checkpoint by the base that the network has."""
    base = {f"net.{name}": tensor.detach() for name, tensor in base_of(net).items()}
    for key in STATES:
        if key in checkpoint:
            checkpoint[key] = {**base, **checkpoint[key]}
