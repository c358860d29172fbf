"""Weights that others published, into the networks that are theirs: every tensor placed, or the difference named.

`overrides(source)` composes such a network, `load(net, state_dict, source)` fills it and sets its pixels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seglight.models.encoder import CAFFE, CENTRED, IMAGENET, UNIT, Pixels
from seglight.models.encoder_decoder import EncoderDecoder
from seglight.models.encoders.vgg import convolved
from seglight.models.geometry import bilinear_kernel
from seglight.models.initialise import Transfer


@dataclass(frozen=True)
class Source:
    """overrides: what composes the network. name: a published tensor's name here, the encoder's without its stage.

    left: names that have no place, as a pattern. within: the part of the network that the weights fill.
    """

    overrides: tuple[str, ...]
    pixels: Pixels
    name: Callable[[str], str]
    left: str = r"$^"
    within: str = ""


def torchfcn(name: str) -> str:
    """wkentaro/pytorch-fcn: Caffe's layer names."""
    layers = {"score_fr": "score.32", "score_pool4": "score.16", "score_pool3": "score.8"}
    layers |= {"upscore": "upsample.0.conv", "upscore2": "upsample.0.conv", "upscore16": "upsample.1.conv"}
    layers |= {"upscore_pool4": "upsample.1.conv", "upscore8": "upsample.2.conv"}
    layer, tensor = name.rsplit(".", 1)
    if conv := re.fullmatch(r"conv(\d)_(\d)", layer):
        before = (0, 5, 10, 17, 24)[int(conv[1]) - 1]  # torchvision's index of the block's first convolution
        return f"encoder.{before + 2 * (int(conv[2]) - 1)}.{tensor}"
    return f"decoder.{layers[layer]}.{tensor}" if layer in layers else f"encoder.{name}"


def milesial(name: str) -> str:
    """milesial/Pytorch-UNet."""
    name = re.sub(r"^inc\.", "encoder.stages.0.", name)
    name = re.sub(r"^down(\d)\.maxpool_conv\.1\.", r"encoder.stages.\1.", name)
    name = re.sub(r"^up(\d)\.(conv\.)?", lambda m: f"decoder.blocks.{int(m[1]) - 1}.", name)
    name = re.sub(r"double_conv\.(\d)", lambda m: f"conv{1 + int(m[1]) // 3}.{int(m[1]) % 3}", name)
    return re.sub(r"^outc\.conv\.", "decoder.head.", name)


def torchvision_fcn(name: str) -> str:
    """torchvision.models.segmentation."""
    for theirs, ours in (("aux_classifier.", "aux.head."), ("classifier.", "decoder.head."), ("backbone.", "encoder.")):
        name = re.sub(f"^{re.escape(theirs)}", ours, name)
    return name


def smp_unet(name: str) -> str:
    """segmentation_models_pytorch.Unet."""
    return name.replace("segmentation_head.0.", "decoder.head.")


def classifier(name: str) -> str:
    """torchvision's classifiers, VGG16's fc6 and fc7 already convolutions."""
    return "encoder." + re.sub(r"^features\.|^fc\.(?=fc[67])", "", name)


def fcn(model: str) -> Source:
    return Source((f"model={model}", "encoder.padding=100", "encoder.weights=null"), CAFFE, torchfcn)


def trunk(option: str, pixels: Pixels = IMAGENET) -> Source:
    overrides = (f"encoder={option}", "encoder.weights=null")
    return Source(overrides, pixels, classifier, r"(fc|classifier|aux\d)\.", "encoder.")


PAPER_WITH_NORM = ("model=unet", "encoder.norm=true", "encoder.dropout=0", "decoder.norm=true")
SOURCES = {
    "torchfcn-32s": fcn("fcn32s"),
    "torchfcn-16s": fcn("fcn16s"),
    "torchfcn-8s": fcn("fcn8s"),
    "torchfcn-8s-atonce": fcn("fcn8s_atonce"),
    "torchvision-fcn_resnet50": Source(("model=fcn_resnet50", "encoder.weights=null"), IMAGENET, torchvision_fcn),
    "torchvision-fcn_resnet101": Source(("model=fcn_resnet101", "encoder.weights=null"), IMAGENET, torchvision_fcn),
    "milesial": Source(PAPER_WITH_NORM, UNIT, milesial, "mask_values"),
    "milesial-bilinear": Source(
        (*PAPER_WITH_NORM, "encoder.channels=[64,128,256,512,512]", "decoder.up=bilinear"),
        UNIT,
        milesial,
        "mask_values",
    ),
    "smp-unet-resnet34": Source(
        ("encoder=resnet34", "encoder.weights=null", "decoder=unet", "skips=concat"), IMAGENET, smp_unet
    ),
    "caffe-vgg16": trunk("vgg16_fc", CAFFE),
    "torchvision-googlenet": trunk("googlenet", CENTRED),
    **{
        f"torchvision-{name}": trunk(option)
        for name, option in {
            "vgg16": "vgg16_fc",
            "resnext50_32x4d": "resnext50",
            "wide_resnet50_2": "wide_resnet50",
            "mobilenet_v3_large": "mobilenet_v3",
            **{same: same for same in ("alexnet", "mobilenet_v2", "efficientnet_b0", "convnext_tiny")},
            **{f"vgg{n}": f"vgg{n}" for n in (11, 13, 19)},
            **{f"vgg{n}_bn": f"vgg{n}_bn" for n in (11, 13, 16, 19)},
            **{f"resnet{n}": f"resnet{n}" for n in (18, 34, 50, 101, 152)},
        }.items()
    },
}


def source_of(name: str) -> Source:
    if name not in SOURCES:
        raise ValueError(f"init_source={name}: known sources are {', '.join(SOURCES)}")
    return SOURCES[name]


def overrides(source: str) -> list[str]:
    """The command-line overrides whose network takes the weights of `source`."""
    return list(source_of(source).overrides)


def load(net: nn.Module, state_dict: Mapping[str, Tensor], source: str) -> Transfer:
    """Places the tensors of `source` and sets the pixels that its weights take.

    Raises ValueError, the network unchanged, where a tensor has no place, a place gets no tensor, a shape differs or an
    upsampling kernel is not the bilinear one that the network keeps fixed.
    """
    known = source_of(source)
    assert isinstance(net, EncoderDecoder)
    own = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("encoder.normalize.")}
    places = {re.sub(r"^encoder\.stages\.\d+\.", "encoder.", name): name for name in own} | {name: name for name in own}
    fc6 = any(name.endswith("fc6.weight") for name in own)
    given = convolved(dict(state_dict)) if known.name is classifier and fc6 else state_dict
    transfer, placed, wrong = Transfer(), {}, []
    for name, tensor in given.items():
        place = places.get(known.name(name))
        if place is None:
            if re.match(known.left, name):
                transfer.left[name] = "not part of the network"
            elif difference := kernel_difference(net, known.name(name), tensor):
                wrong.append(f"{name} {difference}")
            else:
                transfer.left[name] = "the fixed bilinear kernel"
        elif own[place].shape != tensor.shape:
            wrong.append(f"{name} has shape {tuple(tensor.shape)}, {place} {tuple(own[place].shape)}")
        else:
            placed[place] = tensor
    named = {place for name in given if (place := places.get(known.name(name)))}
    wrong += [f"{place} gets no tensor" for place in own if place.startswith(known.within) and place not in named]
    if wrong:
        more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
        raise ValueError(
            f"init_source={source}: these weights are not this network's: {'; '.join(wrong[:10])}{more}. "
            f"The network they belong to: {' '.join(known.overrides)}"
        )
    net.load_state_dict(placed, strict=False)
    net.encoder.normalize.adopt(known.pixels)
    transfer.placed = list(placed)
    transfer.fresh = [name for name in own if name not in placed]
    return transfer


def kernel_difference(net: EncoderDecoder, name: str, tensor: Tensor) -> str | None:
    """Why a tensor without a place is not a fixed upsampling kernel of the network; None where it is."""
    upsampling = re.fullmatch(r"decoder\.(upsample\.\d)\.conv\.weight", name)
    if not upsampling:
        return "is unknown"
    module = dict(net.decoder.named_modules()).get(upsampling[1])
    if module is None:
        return "has no place"
    dense = torch.zeros_like(tensor)
    if tensor.dim() != 4 or tensor.shape[:2] != (module.classes,) * 2 or tensor.shape[2] != module.size:
        return f"has shape {tuple(tensor.shape)}, its kernel {module.size} x {module.size} for {module.classes} classes"
    dense.diagonal().copy_(bilinear_kernel(tensor.shape[2])[..., None])
    if (far := (dense - tensor).abs().max().item()) > 1e-6:
        return f"differs by {far:.3g} from the fixed bilinear kernel; decoder.upsampling=learned takes it"
    return None
