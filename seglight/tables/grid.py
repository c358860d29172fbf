"""Every encoder with every decoder and skips: which fit together, and what each costs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass
from functools import cache, partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from seglight import mistakes
from seglight.config import compose, conf_dir
from seglight.models import EncoderDecoder
from seglight.models.anatomy import gflops

log = logging.getLogger(__name__)

NUM_CLASSES = 21
SMP = (
    "DeepLabV3", "DeepLabV3Plus", "FPN", "Linknet", "MAnet", "PAN",
    "PSPNet", "Segformer", "UPerNet", "Unet", "UnetPlusPlus",
)  # fmt: skip
# (encoder, decoder, skips): where it is a published network
PAPERS = {
    ("vgg16_fc", "fcn", "none"): "FCN-32s",
    ("vgg16_fc", "fcn", "add16"): "FCN-16s",
    ("vgg16_fc", "fcn", "add8"): "FCN-8s",
    ("vgg16_fc", "fcn", "add8_scaled"): "FCN-8s at once",
    ("caffenet", "fcn", "none"): "FCN-AlexNet",
    ("googlenet", "fcn", "none"): "FCN-GoogLeNet",
    ("resnet50_d8", "fcn_head", "none"): "torchvision",
    ("resnet101_d8", "fcn_head", "none"): "torchvision",
    ("unet", "unet_paper", "concat"): "U-Net",
    ("unet_valid", "unet_tiles", "concat"): "U-Net, to the letter",
    ("resnet18", "linknet", "add4"): "LinkNet",
    ("resnet34", "unet", "concat"): "SMP's Unet",
    ("resnet101_d8", "smp:DeepLabV3", "none"): "DeepLabV3",
    ("resnet101_d8", "smp:PSPNet", "none"): "PSPNet",
    ("resnet50", "smp:UPerNet", "none"): "UPerNet",
}


@dataclass(frozen=True)
class Cell:
    """One combination; `decoder` is `smp:NAME` for segmentation_models_pytorch's."""

    encoder: str
    decoder: str
    skips: str

    @property
    def overrides(self) -> list[str]:
        """What composes it, without pretrained weights."""
        return [
            f"encoder={self.encoder}",
            "encoder.weights=null",
            *decoder_overrides(self.decoder),
            f"skips={self.skips}",
        ]


def decoder_overrides(decoder: str) -> list[str]:
    group, _, name = decoder.partition(":")
    return [f"decoder={group}", *([f"decoder.name={name}"] if name else [])]


def options(group: str) -> list[str]:
    """The names of a group's options."""
    return mistakes.options(conf_dir(), group)


@cache
def decoders() -> dict[str, Any]:
    """Every decoder, waiting for its encoder; a smp one for each of the library's."""
    names = [name for name in options("decoder") if name != "smp"] + [f"smp:{name}" for name in SMP]
    return {name: instantiate(compose(*decoder_overrides(name)).decoder) for name in names}


@cache
def skips() -> dict[str, Any]:
    """Every skip strategy."""
    return {name: instantiate(compose(f"skips={name}").skips) for name in options("skips")}


def cells(encoder: str, smp: bool = True) -> Iterator[tuple[Cell, EncoderDecoder | ValueError]]:
    """Every cell of one encoder, with its network (the encoder in it is shared) or the reason why there is none."""
    shared = instantiate(compose(f"encoder={encoder}", "encoder.weights=null").encoder)
    for (decoder, build), (strategy, joined) in product(decoders().items(), skips().items()):
        if decoder.startswith("smp:") and not smp:
            continue
        shared.for_decoder("simple")  # as the one before did not leave it
        try:
            network: EncoderDecoder | ValueError = EncoderDecoder(shared, build, joined, NUM_CLASSES)
        except ValueError as error:
            network = error
        yield Cell(encoder, decoder, strategy), network


def write_grid(path: Path, size: tuple[int, int]) -> None:
    """A Markdown table for each decoder that takes skips, and one for those that take none: parameters and GFLOPs."""
    costs: dict[Cell, str] = {}
    reasons: dict[Cell, str] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # half a minute or more an encoder
        for encoder, (found, refused) in zip(
            options("encoder"), pool.map(partial(costs_of, size=size), options("encoder")), strict=True
        ):
            log.info("%s", encoder)
            costs |= found
            reasons |= refused
    joining = [name for name in decoders() if any(c.decoder == name and c.skips != "none" for c in costs)]
    lines = [
        f"Millions of parameters / GFLOPs (2 a multiply-add) at {NUM_CLASSES} classes, {size[0]} x {size[1]} pixels. "
        "Empty: they do not fit together; why is said at the end. **Bold**: a published network.",
    ]
    for decoder in joining:
        lines += table(
            f"decoder={decoder}", costs, [(decoder, name) for name in skips()], [f"skips={s}" for s in skips()]
        )
    rest = [name for name in decoders() if name not in joining]
    lines += table(
        "skips=none", costs, [(name, "none") for name in rest], [name.replace("smp:", "smp ") for name in rest]
    )
    shown = {c: why for c, why in reasons.items() if c.decoder in joining or c.skips == "none"}
    lines += ["", "### Why the others do not fit", "", *explained(shown)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]))


def costs_of(encoder: str, size: tuple[int, int]) -> tuple[dict[Cell, str], dict[Cell, str]]:
    """What each network over an encoder costs, a published one with its name; and why there is none for the others."""
    found, refused = {}, {}
    for cell, network in cells(encoder):
        if isinstance(network, ValueError):
            refused[cell] = re.sub(r"encoder=[\w./-]*\w", "the encoder", str(network))
            continue
        try:
            found[cell] = cost(network, size) + (f" **{PAPERS[key]}**" if (key := astuple(cell)) in PAPERS else "")
        except RuntimeError as error:  # torch's, of a map without a cell
            refused[cell] = f"{size[0]} x {size[1]} pixels are too few: {str(error).splitlines()[0]}"
    return found, refused


def explained(reasons: dict[Cell, str]) -> Iterator[str]:
    """Each reason once, with the encoders that it holds for."""
    for reason in dict.fromkeys(reasons.values()):
        encoders = dict.fromkeys(cell.encoder for cell, why in reasons.items() if why == reason)
        yield f"- {reason}: {', '.join(encoders)}"


def cost(network: EncoderDecoder, size: tuple[int, int]) -> str:
    """Parameters in millions (fixed kernels aside) / GFLOPs."""
    parameters = sum(p.numel() for p in network.parameters())
    return f"{parameters / 1e6:.1f} / {gflops(network, size):{'.0f' if size[0] > 256 else '.1f'}}"


def table(title: str, costs: dict[Cell, str], columns: list[tuple[str, str]], names: list[str]) -> list[str]:
    """One row an encoder; rows without a cell are left out."""
    rows = [(encoder, [costs.get(Cell(encoder, *column), "") for column in columns]) for encoder in options("encoder")]
    body = [f"| {encoder} | {' | '.join(row)} |" for encoder, row in rows if any(row)]
    return ["", f"### {title}", "", f"| encoder | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|", *body]
