"""Every network of timm that extracts features, through timm's own extraction."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglight.models.encoder import Encoder, Normalize
from seglight.models.weights import Weights, adapt_input, downloaded, load_trunk, read_state


class TimmEncoder(Encoder):
    """A timm network that runs as a whole; its stages are views on its parts, in their order."""

    def __init__(self, net: nn.Module, name: str, normalize: Normalize, multiple: int) -> None:
        info: Any = net.feature_info
        stages = views(net, info.module_name())
        super().__init__(name, stages, info.reduction(), info.channels(), normalize, multiple=multiple)
        self.net = net

    def keep(self, stages: Iterable[nn.Module]) -> None:
        self.stages = list(stages)  # type: ignore[assignment]  # not registered: the network owns the modules

    def maps(self, images: Tensor) -> list[Tensor]:
        return list(self.net(self.prepare(images)))


def timm(
    name: str,
    weights: Weights = "imagenet",
    output_stride: int = 32,
    in_channels: int = 3,
    multiple: int | None = None,
    **options: Any,
) -> Encoder:
    """The features of timm's network `name`.

    multiple: images are extended to a multiple of it (the deepest stride: many of these cut images into patches).
    options: timm's own, such as img_size or drop_path_rate.
    """
    import timm as library

    if not library.is_model(name):
        close = difflib.get_close_matches(name, library.list_models(), n=5, cutoff=0.5)
        raise ValueError(f"encoder.name={name}: timm {library.__version__} has no such network; close: {close}")
    config = library.get_pretrained_cfg(name)
    if output_stride != 32:
        options["output_stride"] = output_stride
    if config.fixed_input_size:
        options.setdefault("dynamic_img_size" if "vit" in config.architecture else "strict_img_size", "vit" in config.architecture)

    def create(pretrained: bool = False, **overlay: Any) -> nn.Module:
        try:
            net: nn.Module = library.create_model(
                name, pretrained, overlay, features_only=True, in_chans=in_channels, **options
            )
        except (RuntimeError, TypeError, AssertionError) as error:
            raise ValueError(f"encoder.name={name}: timm extracts no features from it as asked ({error})") from error
        return net

    if weights == "imagenet":
        net = pretrained(create, name, config)
    elif weights:
        with torch.device("meta"):
            whole = library.create_model(name).state_dict()
        net = create(True, state_dict=trunk(whole, read_state(weights), [f"{config.classifier}."], weights))
    else:
        net = create()
    normalize = Normalize(config.mean, config.std, channels=in_channels)
    return TimmEncoder(net, name, normalize, multiple or max(net.feature_info.reduction()))  # type: ignore[union-attr,operator]
