"""Starting one network from another's weights by name and shape, as FCN-32s -> 16s -> 8s (Long et al. 2015, 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass
class Transfer:
    """What came over and what did not: of the network, and of the weights (with the reason)."""

    placed: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)  # the network's tensors that keep their initialisation
    left: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        text = f"{len(self.placed)} tensors came over"
        if self.fresh:
            text += f"; {len(self.fresh)} keep their initialisation: {', '.join(self.fresh)}"
        if self.left:
            text += f"; {len(self.left)} left out: {', '.join(f'{k} ({why})' for k, why in self.left.items())}"
        return text


def init_from(net: nn.Module, state_dict: Mapping[str, Tensor], partial: bool = False) -> Transfer:
    """Copies every tensor whose name and shape the network has; the rest keeps its initialisation (scores: zero).

    ValueError, the network unchanged, where none fits, or fewer than half of the network's without `partial`: the
    weights are most likely of another architecture.
    """
    own = net.state_dict()
    transfer = Transfer()
    for name, tensor in state_dict.items():
        if name not in own:
            transfer.left[name] = "unknown name"
        elif own[name].shape != tensor.shape:
            transfer.left[name] = f"shape {tuple(tensor.shape)} for {tuple(own[name].shape)}"
        else:
            transfer.placed.append(name)
    transfer.fresh = [name for name in own if name not in set(transfer.placed)]
    if not transfer.placed:
        raise ValueError(
            f"init_from: not one of its {len(state_dict)} tensors fits this network by name and shape (for weights "
            f"that another project published, name it: init_source=...); the first are {list(state_dict)[:3]}"
        )
    if not partial and len(transfer.placed) < len(own) / 2:
        raise ValueError(
            f"init_from: {len(transfer.placed)} of the network's {len(own)} tensors are in these weights: they are of "
            "another architecture. init_partial=true copies the tensors that fit"
        )
    net.load_state_dict({name: state_dict[name] for name in transfer.placed}, strict=False)
    return transfer
