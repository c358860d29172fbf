"""torchvision's sequential classifiers as encoders: MobileNet v2 and v3, EfficientNet, ConvNeXt, GoogLeNet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torchvision
from torch import nn

from seglight.models.encoder import CENTRED, IMAGENET, Encoder, Normalize, sequential_encoder, split
from seglight.models.geometry import trace
from seglight.models.weights import Weights, adapt_input, load_trunk, torchvision_state


def features(
    name: str,
    weights: Weights = "imagenet",
    output_stride: int = 32,
    multiple: int = 1,
    in_channels: int = 3,
    checkpointing: bool = False,
) -> Encoder:
    """The `features` of a classifier, cut where the stride grows (Sandler 2018, Howard 2019, Tan 2019, Liu 2022).

    multiple: images are extended to it (ConvNeXt cuts them into patches). output_stride 16: MobileNet v3 dilates.
    """
    options: dict[str, Any] = {}
    if output_stride == 16 and name.startswith("mobilenet_v3"):
        options["dilated"] = True
    elif output_stride != 32:
        raise ValueError(f"encoder={name}: encoder.output_stride={output_stride}, but torchvision's does not dilate so")
    net = torchvision.models.get_model(name, weights=None, **options)
    if weights:
        load_trunk(net, torchvision_state(name, weights), ["classifier."], weights)
    adapt_input(net, in_channels)
    stages = cut(net.features.named_children())
    encoder = sequential_encoder(name, stages, Normalize(IMAGENET, in_channels), declared=True, multiple=multiple)
    return encoder.checkpointed(checkpointing)


def googlenet(weights: Weights = "imagenet", in_channels: int = 3, checkpointing: bool = False) -> Encoder:
    """GoogLeNet (Szegedy et al. 2015) without its final average pool (Long et al. 2015, section 4.1)."""
    net = torchvision.models.get_model("googlenet", weights=None, aux_logits=False, init_weights=False)
    if weights:
        load_trunk(net, torchvision_state("googlenet", weights), ["fc.", "aux1.", "aux2."], weights)
    adapt_input(net, in_channels)
    children = [(name, child) for name, child in net.named_children() if name not in ("avgpool", "dropout", "fc")]
    encoder = sequential_encoder("googlenet", cut(children), Normalize(CENTRED, in_channels), min_size=16)
    return encoder.checkpointed(checkpointing)


def cut(children: Iterable[tuple[str, nn.Module]]) -> list[nn.Sequential]:
    """Stages that end before each module that strides."""
    layers = list(children)
    in_channels = next(m for m in layers[0][1].modules() if isinstance(m, nn.Conv2d)).in_channels
    strides = [field.stride for _, field in trace([layer for _, layer in layers], in_channels)]
    ends = [i for i in range(len(layers)) if i + 1 == len(layers) or strides[i + 1] > strides[i]]
    return split(layers, [layers[i][0] for i in ends])
