"""VGG (Simonyan & Zisserman 2015), as an encoder of convolutions and with its classifier turned into them."""

from __future__ import annotations

from collections import OrderedDict

import torchvision
from torch import Tensor, nn

from seglight.models.encoder import IMAGENET, Encoder, Normalize, sequential_encoder, split
from seglight.models.weights import Weights, adapt_input, load_trunk, torchvision_state
from seglight.values import number, whole

CONFIGURATION = {"vgg11": "A", "vgg13": "B", "vgg16": "D", "vgg19": "E"}  # the paper's Table 1


def vgg(
    name: str = "vgg16", weights: Weights = "imagenet", in_channels: int = 3, checkpointing: bool = False
) -> Encoder:
    """The convolutions: the map before each pool at strides 1 to 16, and the last pool's at 32."""
    net = nn.ModuleDict({"features": features(name)})
    if weights:
        load_trunk(net, torchvision_state(name, weights), ["classifier."], weights)
    adapt_input(net, in_channels)
    layers = list(net["features"].named_children())
    ends = [layers[i - 1][0] for i, (_, layer) in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    stages = split(layers, [*ends, layers[-1][0]])
    return sequential_encoder(name, stages, Normalize(IMAGENET, in_channels)).checkpointed(checkpointing)


def vgg16_fc(
    weights: Weights = "imagenet",
    padding: int = 1,
    dropout: float = 0.5,
    in_channels: int = 3,
    checkpointing: bool = False,
) -> Encoder:
    """VGG16 with fc6 and fc7 as convolutions (Long et al. 2015, section 4.1): the map after each pool, fc7 at 32.

    padding: of the first convolution. 1: aligned, fc6 is padded too. 100: the authors' release, where fc6 is not.
    """
    number("encoder.dropout", dropout, 0, 1)
    whole("encoder.padding", padding, 0)
    fc = OrderedDict(
        fc6=nn.Conv2d(512, 4096, 7, padding=3 if padding == 1 else 0),
        relu6=nn.ReLU(inplace=True),
        drop6=nn.Dropout(dropout),
        fc7=nn.Conv2d(4096, 4096, 1),
        relu7=nn.ReLU(inplace=True),
        drop7=nn.Dropout(dropout),
    )
    net = nn.ModuleDict({"features": features("vgg16", padding), "fc": nn.Sequential(fc)})
    if weights:
        load_trunk(net, convolved(torchvision_state("vgg16", weights)), ["classifier."], weights)
    adapt_input(net, in_channels)
    layers = list(net["features"].named_children())
    stages = [*split(layers, [name for name, layer in layers if isinstance(layer, nn.MaxPool2d)]), net["fc"]]
    return sequential_encoder("vgg16_fc", stages, Normalize(IMAGENET, in_channels)).checkpointed(checkpointing)


def features(name: str, padding: int = 1) -> nn.Sequential:
    """torchvision's convolutions under its own names; pools keep the last row and column of odd maps (as Caffe)."""
    letter, batch_norm = CONFIGURATION[name.removesuffix("_bn")], name.endswith("_bn")
    layers: nn.Sequential = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs[letter], batch_norm)
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = True
        elif isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    first = layers[0]
    assert isinstance(first, nn.Conv2d)
    first.padding = (padding, padding)
    return layers


def convolved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A VGG16 classifier's state with fc6 and fc7 as convolutions: (4096, 25088) -> (4096, 512, 7, 7), C order."""
    state = dict(state)
    for old, new, shape in (("0", "fc6", (4096, 512, 7, 7)), ("3", "fc7", (4096, 4096, 1, 1))):
        if f"classifier.{old}.weight" in state:
            state[f"fc.{new}.weight"] = state.pop(f"classifier.{old}.weight").reshape(shape)
            state[f"fc.{new}.bias"] = state.pop(f"classifier.{old}.bias")
    return state
