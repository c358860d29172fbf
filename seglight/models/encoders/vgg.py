"""VGG (Simonyan & Zisserman 2015), as an encoder of convolutions and with its classifier turned into them."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn
from torchvision.models import vgg as torchvision_vgg

from seglight.models.encoder import IMAGENET, Encoder, Normalize, sequential_encoder, split
from seglight.models.weights import Weights, adapt_input, load_trunk, torchvision_state

CONFIGURATION = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}  # the paper's Table 1


def vgg(name: str = "vgg16", weights: Weights = "imagenet", in_channels: int = 3) -> Encoder:
    """The convolutions: the map before each pool at strides 1 to 16, and the last pool's at 32."""
    net = features(name)
    if weights:
        load_trunk(net, torchvision_state(name, weights), ["classifier."], weights)
    adapt_input(net, in_channels)
    layers = list(net.features.named_children())
    last_convs = [layers[i - 1][0] for i in pools(layers)]
    stages = split(layers, [*last_convs, layers[-1][0]])
    return sequential_encoder(name, stages, Normalize(**IMAGENET, channels=in_channels))


def vgg16_fc(weights: Weights = "imagenet", padding: int = 1, in_channels: int = 3, dropout: float = 0.5) -> Encoder:
    """VGG16 with fc6 and fc7 as convolutions (Long et al. 2015, section 4.1): maps after each pool, fc7 at stride 32.

    padding: of the first convolution. 1: aligned, fc6 is padded as well. 100: the authors' release, fc6 is not.
    """
    net = features("vgg16")
    pad_fc6 = 3 if padding == 1 else 0
    fc = OrderedDict(
        fc6=nn.Conv2d(512, 4096, 7, padding=pad_fc6),
        relu6=nn.ReLU(inplace=True),
        drop6=nn.Dropout(dropout),
        fc7=nn.Conv2d(4096, 4096, 1),
        relu7=nn.ReLU(inplace=True),
        drop7=nn.Dropout(dropout),
    )
    net.add_module("fc", nn.Sequential(fc))
    if weights:
        load_trunk(net, convolved(torchvision_state("vgg16", weights)), ["classifier."], weights)
    adapt_input(net, in_channels)
    first = net.features[0]
    first.padding = (padding, padding)
    layers = list(net.features.named_children())
    stages = [*split(layers, [layers[i][0] for i in pools(layers)]), net.fc]
    return sequential_encoder("vgg16_fc", stages, Normalize(**IMAGENET, channels=in_channels))


def features(name: str) -> nn.Module:
    """torchvision's convolutions under its own names; pools keep the last row and column of odd maps (as Caffe)."""
    letter, batch_norm = CONFIGURATION[name.removesuffix("_bn")], name.endswith("_bn")
    layers = torchvision_vgg.make_layers(torchvision_vgg.cfgs[letter], batch_norm)
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
        elif isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return nn.ModuleDict({"features": layers})


def pools(layers: list[tuple[str, nn.Module]]) -> list[int]:
    """Where the pools are."""
    return [i for i, (_, layer) in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]


def convolved(state: dict[str, object]) -> dict[str, object]:
    """A VGG16 classifier's state with fc6 and fc7 as convolutions: (4096, 25088) -> (4096, 512, 7, 7), C order."""
    shapes = {"classifier.0": ("fc.fc6", (4096, 512, 7, 7)), "classifier.3": ("fc.fc7", (4096, 4096, 1, 1))}
    renamed = dict(state)
    for old, (new, shape) in shapes.items():
        if f"{old}.weight" in state:
            renamed[f"{new}.weight"] = renamed.pop(f"{old}.weight").reshape(shape)
            renamed[f"{new}.bias"] = renamed.pop(f"{old}.bias")
    return renamed
