"""An optimizer recipe: one parameter group for each part of the network and kind of parameter, from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seglight.freeze_policy import FreezePolicy
from seglight.parts import is_bias, is_norm, parts
from seglight.values import number, one_of


@dataclass
class Recipe:
    """`lr` and `weight_decay`, and how the encoder, biases, norms and the auxiliary head depart from them.

    optimizer: a torch optimizer without its parameters (`_partial_: true` in a config).
    encoder_lr, bias_lr, aux_lr: factors on `lr`. layer_decay: one more for each encoder stage towards the input.
    decay_biases, decay_norms: whether weight decay acts on those. fused: one pass over all parameters, where the
    optimizer has that; on a CPU torch would take them one by one.
    """

    optimizer: Callable[..., Optimizer]
    lr: float
    weight_decay: float = 0.0
    bias_lr: float = 1.0
    aux_lr: float = 1.0
    decay_biases: bool = True
    decay_norms: bool = True
    fused: bool = True
    encoder_lr: float = 1.0
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "weight_decay", "encoder_lr", "bias_lr", "aux_lr"):
            number(f"optim.{name}", getattr(self, name))
        number("optim.layer_decay", self.layer_decay, 0, 1, above=True)
        for name in ("decay_biases", "decay_norms", "fused"):
            one_of(f"optim.{name}", getattr(self, name), (True, False))

    def __call__(self, net: nn.Module, policy: FreezePolicy, unscales: bool = True) -> Optimizer:
        """The optimizer of a network. unscales: whether a fused one may undo a gradient scaler's factor itself."""
        fused = {"fused": True} if self.fused and unscales and has_fused(self.optimizer) else {}
        optimizer = self.optimizer(list(self.groups(net, policy)), lr=self.lr, weight_decay=self.weight_decay, **fused)
        if optimizer.defaults.get("fused"):  # the config may say so itself
            optimizer.register_load_state_dict_post_hook(lay_out_alike)
        return optimizer

    def groups(self, net: nn.Module, policy: FreezePolicy) -> Iterator[dict[str, Any]]:
        """Parameter groups named `<part>.<weights|biases|norms>`, with the epoch their part starts to train in."""
        for part in parts(net):
            factors = {"encoder": self.encoder_lr, "aux": self.aux_lr}
            own = factors.get(part.name.split(".")[0], 1.0)
            scale = policy.lr_scale(part) * own * part.slowed(self.layer_decay)
            for kind, parameters in by_kind(part.module).items():
                decays = {"biases": self.decay_biases, "norms": self.decay_norms}.get(kind, True)
                yield {
                    "params": parameters,
                    "name": f"{part.name}.{kind}",
                    "lr": self.lr * scale * (self.bias_lr if kind == "biases" else 1.0),
                    "weight_decay": self.weight_decay if decays else 0.0,
                    "first_epoch": policy.first_epoch(part),
                }


def has_fused(optimizer: Callable[..., Optimizer]) -> bool:
    """Whether an optimizer has a fused form that no keyword of a partial rules out."""
    given = getattr(optimizer, "keywords", {})
    return "fused" in signature(optimizer).parameters and not {"fused", "foreach", "differentiable"} & set(given)


def lay_out_alike(optimizer: Optimizer) -> None:
    """A loaded state in its parameters' order in memory: torch's fused steps on a CPU take it for given.

    A state saved with channels_last=true and resumed with false is in another (torch 2.14: wrong steps, no error).
    Autograd keeps gradients in their parameters' order.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and not alike(value, parameter):
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def alike(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors of one shape lie in memory in the same order."""
    return all(x == y for size, x, y in zip(a.shape, a.stride(), b.stride(), strict=True) if size > 1)


def by_kind(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """A module's parameters as `weights`, `biases` and `norms` (scale and shift), each once, empty kinds left out."""
    kinds: dict[str, list[nn.Parameter]] = {"weights": [], "biases": [], "norms": []}
    seen: set[int] = set()
    for owner in module.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                kind = "norms" if is_norm(owner) else "biases" if is_bias(name) else "weights"
                kinds[kind].append(parameter)
    return {kind: parameters for kind, parameters in kinds.items() if parameters}
