"""The parts of a network that freeze and learn as one: an encoder's stages, and what is behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


@dataclass
class Part:
    """A piece of a network that freezes as one.

    index, total: which encoder stage of how many, from the input; the decoder and the heads are index == total.
    """

    name: str
    module: nn.Module
    index: int = 0
    total: int = 0

    @property
    def depth(self) -> int:
        """Steps below the decoder: the decoder 0, the top stage 1."""
        return self.total - self.index

    def slowed(self, decay: float) -> float:
        """The factor on its learning rate where that shrinks by `decay` with each stage towards the input."""
        return float(decay**self.depth)


def parts(net: nn.Module) -> list[Part]:
    """The encoder's stages from the input upwards, then what makes features of their maps, the decoder and the head.

    A network that has no encoder stages is one part, `net`, that counts as a decoder.
    """
    encoder: Any = getattr(net, "encoder", None)
    if encoder is None or not hasattr(encoder, "stages"):
        return [Part("net", net)]
    total = len(encoder.stages)
    stages = [Part(f"encoder.{i}", stage, i, total) for i, stage in enumerate(encoder.stages)]
    heads = {"pyramid": getattr(encoder, "pyramid", None)}
    heads |= {name: getattr(net, name, None) for name in ("decoder", "aux")}
    return stages + [Part(name, head, total, total) for name, head in heads.items() if head is not None]


def is_norm(module: nn.Module) -> bool:
    """Whether it is a normalisation layer, with something to train or to count; timm's RMS norms are told by name."""
    torchs = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
    return isinstance(module, torchs) or any(kind.__name__.startswith("RmsNorm") for kind in type(module).__mro__)


def is_bias(name: str) -> bool:
    """Whether a parameter of that name is a bias: a layer's own, or one that an attention adds itself (`q_bias`)."""
    return name.split(".")[-1] == "bias" or name.endswith("_bias")


def head_modules(net: Any) -> list[nn.Module]:
    """The score layers, as the network names them."""
    if not hasattr(net, "head_modules"):
        raise ValueError(f"freeze=head_only: {type(net).__name__} does not name its score layers (head_modules)")
    return list(net.head_modules())


def hold_eval(net: Any, modules: Iterable[nn.Module]) -> None:
    """Those modules stay in eval mode whatever train() says, where the network can hold them; now in any case."""
    if hasattr(net, "hold_eval"):
        net.hold_eval(modules)
    net.train(net.training)
