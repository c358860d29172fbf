"""ResNets of torchvision: ResNet (He et al. 2016), ResNeXt (Xie et al. 2017), Wide ResNet (Zagoruyko 2016)."""

from __future__ import annotations

import torchvision

from seglight.models.encoder import IMAGENET, Encoder, Normalize, sequential_encoder, split
from seglight.models.weights import Weights, adapt_input, load_trunk, torchvision_state


def resnet(
    name: str = "resnet50",
    weights: Weights = "imagenet",
    output_stride: int = 32,
    in_channels: int = 3,
    checkpointing: bool = False,
) -> Encoder:
    """Stem at stride 2, layer1 to layer4 at 4, 8, 16, 32.

    output_stride 16 or 8: the last stages dilate instead of striding (bottleneck blocks only, as torchvision has it).
    """
    dilate = {32: [False] * 3, 16: [False, False, True], 8: [False, True, True]}.get(output_stride)
    if dilate is None:
        raise ValueError(f"encoder={name}: encoder.output_stride is 8, 16 or 32, got {output_stride}")
    if output_stride != 32 and name in ("resnet18", "resnet34"):
        raise ValueError(
            f"encoder={name}: encoder.output_stride={output_stride} needs bottleneck blocks (resnet50 and deeper)"
        )
    net = torchvision.models.get_model(name, weights=None, replace_stride_with_dilation=dilate)
    if weights:
        load_trunk(net, torchvision_state(name, weights), ["fc."], weights)
    adapt_input(net, in_channels)
    stages = split(net.named_children(), ["relu", "layer1", "layer2", "layer3", "layer4"])
    encoder = sequential_encoder(name, stages, Normalize(IMAGENET, in_channels), declared=True)
    return encoder.checkpointed(checkpointing)
