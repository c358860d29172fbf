"""AlexNet (Krizhevsky et al. 2012) in two forms: torchvision's, and Caffe's CaffeNet, which FCN-AlexNet is made of."""

from __future__ import annotations

from collections import OrderedDict

import torchvision
from torch import nn

from seglight.models.encoder import CAFFE, IMAGENET, Encoder, Normalize, sequential_encoder, split
from seglight.models.weights import Weights, adapt_input, load_trunk, read_state, torchvision_state
from seglight.values import number, whole


def alexnet(weights: Weights = "imagenet", in_channels: int = 3, checkpointing: bool = False) -> Encoder:
    """torchvision's convolutions: maps before each pool at strides 4, 8, 16, the last pool's at 32."""
    net = torchvision.models.get_model("alexnet")
    if weights:
        load_trunk(net, torchvision_state("alexnet", weights), ["classifier."], weights)
    adapt_input(net, in_channels)
    for layer in net.features:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
    stages = split(net.features.named_children(), ["1", "4", "11", "12"])
    encoder = sequential_encoder("alexnet", stages, Normalize(IMAGENET, in_channels), min_size=MIN_SIZE)
    return encoder.checkpointed(checkpointing)


def caffenet(
    weights: Weights = None, padding: int = 2, dropout: float = 0.5, in_channels: int = 3, checkpointing: bool = False
) -> Encoder:
    """CaffeNet with fc6 and fc7 as convolutions (Long et al. 2015, section 4.1), for images in Caffe's BGR.

    padding: of the first convolution. 2: fc6 is padded too. 100: the authors' release, where fc6 is not.
    """

    number("encoder.dropout", dropout, 0, 1)
    whole("encoder.padding", padding, 0)

    def conv(before: int, after: int, kernel: int, padding: int, groups: int = 1, stride: int = 1) -> nn.Conv2d:
        return nn.Conv2d(before, after, kernel, stride, padding, groups=groups)

    def relu() -> nn.ReLU:
        return nn.ReLU(inplace=True)

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    def norm() -> nn.LocalResponseNorm:
        return nn.LocalResponseNorm(5, 1e-4, 0.75)

    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=conv(3, 96, 11, padding, stride=4), relu1=relu(), pool1=pool(), norm1=norm(),
        conv2=conv(96, 256, 5, 2, groups=2), relu2=relu(), pool2=pool(), norm2=norm(),
        conv3=conv(256, 384, 3, 1), relu3=relu(), conv4=conv(384, 384, 3, 1, groups=2), relu4=relu(),
        conv5=conv(384, 256, 3, 1, groups=2), relu5=relu(), pool5=pool(),
        fc6=conv(256, 4096, 6, 0 if padding == 100 else 3), relu6=relu(), drop6=nn.Dropout(dropout),
        fc7=conv(4096, 4096, 1, 0), relu7=relu(), drop7=nn.Dropout(dropout),
    )  # fmt: skip
    net = nn.Sequential(layers)
    if weights == "imagenet":
        raise ValueError(
            "encoder=caffenet: there are no ImageNet weights of CaffeNet to download. Choose encoder.weights=null "
            "(random), encoder.weights=PATH (conv1 ... fc7 by name) or encoder=alexnet (torchvision's form and weights)"
        )
    if weights:
        load_trunk(net, read_state(weights), ["fc8.", "score_fr.", "upscore."], weights)
    adapt_input(net, in_channels)
    stages = split(layers.items(), ["relu1", "relu2", "relu5", "drop7"])
    min_size = 1 if padding == 100 else MIN_SIZE
    encoder = sequential_encoder("caffenet", stages, Normalize(CAFFE, in_channels), min_size=min_size)
    return encoder.checkpointed(checkpointing)


MIN_SIZE = 35  # three pools of 3 / 2 need it
