"""Every network of timm that extracts features, through timm's own extraction."""

from __future__ import annotations

import difflib
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Self

import timm as library
import torch
from timm.models._features import FeatureGetterNet
from torch import Tensor, nn

from seglight.models.encoder import Encoder, M, Normalize, Pixels
from seglight.models.geometry import on_meta
from seglight.models.pyramid import STRIDES, Pyramid
from seglight.models.weights import Weights, downloaded, read_state, trunk
from seglight.values import whole

logging.getLogger("timm.models._builder").setLevel(logging.ERROR)  # it warns of the classifier being left out

# options with which a network takes the weights of its own images' size: timm resizes them where it needs to
RESIZED = ("img_size", "dynamic_img_size", "strict_img_size", "out_indices", "output_stride")


class TimmEncoder(Encoder):
    """A timm network that runs as a whole; its stages are views on its parts, in their order."""

    def __init__(self, net: nn.Module, name: str, normalize: Normalize, multiple: int | None = None) -> None:
        info: Any = net.feature_info
        strides, channels = info.reduction(), info.channels()
        super().__init__(
            name, views(net, info.module_name()), strides, channels, normalize, multiple=multiple or strides[-1]
        )
        self.net = net

    def checkpointed(self, checkpointing: bool) -> Self:
        """timm's own checkpointing, of the smallest parts that it has it for; ValueError where it has none."""
        super().checkpointed(checkpointing)
        if checkpointing:
            inside = [m for m in self.net.modules() if m is not self.net and hasattr(m, "grad_checkpointing")]
            whole = [self.net] if hasattr(self.net, "grad_checkpointing") and len(list(self.net.children())) > 1 else []
            if not (inside or whole):
                raise ValueError(f"encoder.checkpointing=true: timm has no gradient checkpointing for {self.name}")
            for module in inside or whole:
                module.grad_checkpointing = True  # type: ignore[assignment]
        return self

    def keep(self, stages: Iterable[nn.Module]) -> None:
        self.stages = list(stages)  # type: ignore[assignment]  # not registered: the network owns the modules

    def run(self, x: Tensor) -> list[Tensor]:
        maps = self.net(x) if torch.compiler.is_compiling() else self.explained(x)
        return [
            y if y.shape[1] == channels else y.permute(0, 3, 1, 2)  # some give [B, H, W, C]
            for y, channels in zip(maps, self.stage_channels, strict=True)
        ]

    def explained(self, x: Tensor) -> Sequence[Tensor]:
        """The network's maps; ValueError with timm's reason where it takes no images of this size."""
        try:
            maps: Sequence[Tensor] = self.net(x)
        except Exception as error:
            if not x.is_meta and self.takes(x.to("meta")):
                raise  # something else: memory, a device
            raise ValueError(self.refused(x, reason_of(error))) from None
        for y, stride in zip(maps, self.stage_strides, strict=True):
            cells = y.shape[2] if y.shape[1] in self.stage_channels else y.shape[1]
            if cells > x.shape[-2] / stride + 1:  # fewer: without padding
                raise ValueError(self.refused(x, f"it resizes them: {cells} rows of cells at stride {stride}"))
        return maps

    def takes(self, x: Tensor) -> bool:
        """Whether the network takes images of the shape of `x`, a meta tensor."""
        try:
            with torch.no_grad():
                on_meta(self.net, x)
        except Exception:
            return False
        return True

    def refused(self, x: Tensor, reason: str) -> str:
        height, width = x.shape[-2:]
        own, needed = self.net.pretrained_cfg.input_size[-1], max(height, width)  # type: ignore[union-attr,index]
        hint = "" if self.multiple == own else f"; encoder.multiple={own} extends smaller images to its own size"
        if needed > own and builds(self.name, img_size=needed):
            hint = f"; +encoder.img_size={needed} encoder.multiple={needed} builds it for images of up to that size"
        return f"encoder.name={self.name}: timm's network takes no images of {height} x {width} pixels ({reason}){hint}"


class PlainTransformer(TimmEncoder):
    """A transformer whose blocks all work at one stride; a pyramid makes features at strides 4 to 32 of their maps.

    A stage is a block, the first one with the patch embedding. Maps are timm's own, before the last norm. The pyramid
    belongs to no stage: it trains under every freeze policy.
    """

    def __init__(self, net: nn.Module, name: str, normalize: Normalize, multiple: int | None, width: int) -> None:
        super().__init__(net, name, normalize, multiple)
        self.width = width
        self.for_decoder("simple")

    def for_decoder(self, pyramid: Literal["simple", "depths", "none"]) -> None:
        """`simple`: levels of the last block's map; `depths`: of four blocks'; `none`: the last block's map itself."""
        stride, channels = self.stage_strides[-1], self.stage_channels
        strides = dict.fromkeys(STRIDES, self.width) if pyramid != "none" else {stride: channels[-1]}
        self.pyramid = Pyramid(channels, stride, self.width, pyramid == "depths") if pyramid != "none" else None
        self.channels, self.offsets = strides, {s: (s - 1) / 2 for s in strides}

    def by_stride(self, maps: Sequence[M]) -> dict[int, M]:
        return super().by_stride(maps) if self.pyramid is None else self.pyramid(maps)


def timm(
    name: str,
    weights: Weights = "imagenet",
    output_stride: int = 32,
    in_channels: int = 3,
    multiple: int | None = None,
    state: Mapping[str, Tensor] | None = None,
    pyramid_width: int = 256,
    checkpointing: bool = False,
    **options: Any,
) -> Encoder:
    """The features of timm's network `name`; `state` is a state dict of it to use as weights.

    multiple: images are extended to a multiple of it (the deepest stride: many of these cut images into patches).
    pyramid_width: channels of the features made of a plain transformer's maps (`seglight.models.pyramid`).
    options: timm's own, such as img_size or drop_path_rate.
    """
    whole("encoder.in_channels", in_channels)
    if not library.is_model(name):
        close = difflib.get_close_matches(name, library.list_models(), n=5, cutoff=0.5)
        raise ValueError(f"encoder.name={name}: timm {library.__version__} has no such network; close: {close}")
    config: Any = library.get_pretrained_cfg(name)
    if isinstance(size := options.get("img_size"), int):
        config = replace(config, input_size=(3, size, size))
    if output_stride != 32:
        options["output_stride"] = output_stride
    options = accepted(name, options) if config.fixed_input_size else options
    blocks = plain_blocks(name, options)
    if blocks:
        options.setdefault("out_indices", list(range(blocks)))

    def create(pretrained: bool, overlay: dict[str, Any] | None = None) -> nn.Module:
        net: nn.Module = library.create_model(
            name, pretrained, None, overlay, features_only=True, in_chans=in_channels, **options
        )
        net.pretrained_cfg = config  # type: ignore[assignment]  # without the overlay's tensors
        return net

    with torch.device("meta"):
        try:
            create(False)
        except Exception as error:
            raise ValueError(f"encoder.name={name}: timm does not build it as asked ({reason_of(error)})") from error
    if weights == "imagenet" and state is None:
        net = downloaded(lambda: create(True), name, hub_file(config), f"https://huggingface.co/{config.hf_hub_id}")
    elif weights or state:
        with torch.device("meta"):
            own = {key: value for key, value in options.items() if key not in RESIZED}
            classifier = library.create_model(name, **own).state_dict()
        given = trunk(classifier, state or read_state(str(weights)), [f"{config.classifier}."], str(weights))
        net = create(True, {"state_dict": given})
    else:
        net = create(False)
    normalize = Normalize(Pixels(config.mean, config.std), in_channels)
    if blocks:
        return PlainTransformer(net, name, normalize, multiple, pyramid_width).checkpointed(checkpointing)
    return TimmEncoder(net, name, normalize, multiple).checkpointed(checkpointing)


def plain_blocks(name: str, options: dict[str, Any]) -> int:
    """How many blocks a plain transformer has: all of its maps are at one stride; 0 for any other network."""
    with torch.device("meta"):
        try:
            net: Any = library.create_model(name, features_only=True, **options)
        except Exception:  # said where it is built
            return 0
    plain = isinstance(net, FeatureGetterNet) and len(set(net.feature_info.reduction())) == 1
    return len(net.model.blocks) if plain and hasattr(net.model, "blocks") else 0


def builds(name: str, **options: Any) -> bool:
    """Whether timm builds a network that extracts features with those options."""
    with torch.device("meta"):
        try:
            library.create_model(name, features_only=True, **options)
        except Exception:
            return False
    return True


def accepted(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the one that frees this network from its fixed image size, where it has such a one."""
    for free in ({"dynamic_img_size": True}, {"strict_img_size": False}):
        if builds(name, **(free | options)):
            return free | options
    return options


def reason_of(error: BaseException) -> str:
    """An error in one line; of a bare assertion, what it asserts."""
    text = " ".join(str(error).split())
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if f.line and "/timm/" in f.filename]
    return text or (lines[-1] if lines else type(error).__name__)


def views(net: nn.Module, ends: Sequence[str]) -> list[nn.ModuleList]:
    """The network's parts in their order, cut behind the modules named `ends`.

    A part is a module without children or one that holds parameters itself; parameters of the whole network
    (position embeddings) go with the first stage.
    """

    def spelled(name: str) -> str:
        return name.removeprefix("model.").replace(".", "_") + "_"

    parts = [
        (spelled(name), module)
        for name, module in net.named_modules()
        if name not in ("", "model") and (not list(module.children()) or list(module.parameters(recurse=False)))
    ]
    stages, start = [], 0
    for end in ends:
        inside = [i for i, (name, _) in enumerate(parts) if name.startswith(spelled(end))]
        stop = max(inside, default=start) + 1
        stages.append(nn.ModuleList(module for _, module in parts[start : stop if end != ends[-1] else None]))
        start = stop
    of_all = [p for root in (net, getattr(net, "model", None)) if root for p in root.parameters(recurse=False)]
    if of_all:
        stages[0].append(nn.ParameterList(of_all))
    return stages


def hub_file(config: Any) -> Path:
    """Where huggingface_hub keeps a network's weights."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{str(config.hf_hub_id).replace('/', '--')}" / "model.safetensors"
