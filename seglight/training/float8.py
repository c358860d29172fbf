"""trainer.precision=float8: a transformer's linear layers multiply in 8-bit floats, by torchao, on a Hopper GPU."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from seglight.adapters.adapter import adapters_in, layers_of
from seglight.extras import needs

log = logging.getLogger(__name__)

WHAT = "trainer.precision=float8"
INSTEAD = "trainer.precision=bf16-mixed trains everywhere"
HOPPER = (9, 0)  # the compute capability of the first GPUs that multiply in float8


def refuse_elsewhere(trainer: DictConfig) -> None:
    """ValueError says what is lacking here: a Hopper GPU (or a later one), or torchao."""
    if trainer.accelerator == "cpu" or not torch.cuda.is_available():
        raise ValueError(f"{WHAT} needs a Hopper GPU, and there is no GPU here; {INSTEAD}")
    if torch.cuda.get_device_capability() < HOPPER:
        raise ValueError(f"{WHAT} needs a Hopper GPU, and this is {torch.cuda.get_device_name()}; {INSTEAD}")
    if find_spec("torchao") is None:
        raise ModuleNotFoundError(needs(WHAT, "torchao"))


def in_float8(net: Any, **options: Any) -> None:
    """The linear layers of the encoder's blocks, replaced by torchao's over the same parameters.

    options: of torchao's Float8LinearConfig. ValueError where the encoder has none, or adapters stand on them.
    """
    stages = list(getattr(getattr(net, "encoder", None), "stages", ()))
    if adapters_in(stages):
        raise ValueError(f"{WHAT} replaces the layers that freeze=lora and freeze=adapter stand on; {INSTEAD}")
    layers = {id(layer) for layer in layers_of(net.encoder, ["linear"]) if fits(layer)} if stages else set()
    if not layers:
        raise ValueError(f"{WHAT} is for transformers: this encoder has no linear layers to compute in it; {INSTEAD}")
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    convert_to_float8_training(
        net.encoder,
        module_filter_fn=lambda module, _: id(module) in layers,
        config=Float8LinearConfig(pad_inner_dim=True, **options),  # any number of tokens
    )
    log.info("float8: %d linear layers of the encoder", len(layers))


def fits(layer: Any) -> bool:
    """Whether the GPU's float8 product takes a linear layer of this shape."""
    return isinstance(layer, nn.Linear) and layer.in_features % 16 == 0 and layer.out_features % 16 == 0
