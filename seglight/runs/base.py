"""What checkpoints with adapters leave out: the encoder's pretrained weights, which they name and know by a hash."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from torch import nn

from seglight.adapters.base import base_of, fingerprint
from seglight.config import build_model

Base = dict[str, str]  # encoder, weights, sha256


def base(cfg: DictConfig, net: nn.Module) -> Base | None:
    """The base under a network that was just built; None where its checkpoints hold everything.

    They do without adapters, and where the base can be had from nowhere else: random weights, and those that init_from
    brought from a run that may be gone. With FSDP too, which spreads the tensors.
    """
    weights = OmegaConf.select(cfg, "net.encoder.weights")
    elsewhere = weights is not None and not cfg.get("init_from") and "FSDP" not in str(cfg.trainer.strategy)
    tensors = base_of(net) if elsewhere else {}
    if not tensors:
        return None
    names = (cfg.net.get("encoder_name"), cfg.net.encoder.get("name"))
    encoder = " ".join(dict.fromkeys(str(name) for name in names if name))
    return {"encoder": encoder, "weights": str(weights), "sha256": fingerprint(tensors)}


def built_on(needed: Base, cfg: DictConfig, path: Path) -> nn.Module:
    """The network of a config with the base that a checkpoint needs; ValueError where that is gone or another."""
    what = f"{path} holds adapters for encoder={needed['encoder']} with encoder.weights={needed['weights']}"
    try:
        net = build_model(cfg)
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(f"{what}: {error}") from None
    found, config = fingerprint(base_of(net)), path.parent.parent / "config.yaml"
    if found != needed["sha256"]:
        raise ValueError(
            f"{what} of SHA-256 {needed['sha256'][:12]}...; they are others now ({found[:12]}...). Put those of "
            f"then in their place, or say where they are in {config} (net.encoder.weights)"
        )
    return net
