"""Which networks can be exported, and how far they are from PyTorch: presets, every encoder, every decoder."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import nn

from seglight import mistakes
from seglight.config import build_model, compose, conf_dir
from seglight.deploy.about import About
from seglight.deploy.checks import SIZES, differences
from seglight.deploy.runtimes import open_runtime
from seglight.deploy.tracing import write_format
from seglight.tables.grid import decoder_overrides, decoders

log = logging.getLogger(__name__)

FORMATS = ("onnx", "openvino", "torch")


def write_exports(path: Path) -> None:
    """A Markdown table: the largest difference from PyTorch's logits in each format, or why there is no export."""
    sizes = ", ".join(f"{height} x {width}" for height, width in SIZES)
    lines = [
        "# Which networks can be exported",
        "",
        f"The largest difference of the logits from PyTorch's, over images of {sizes} pixels, one and two at a time,",
        "as a share of the range of the logits there. float32 is exact to about 1e-7; sums of thousands of numbers in",
        "another order are to about 1e-5. Random weights, score layers too; 9 classes. Made by",
        "`python -m seglight.inspect exports=docs/exports.md`.",
        "",
    ]
    for title, group in (("Presets", presets()), ("Encoders", encoders()), ("Decoders", others())):
        lines += [f"### {title}", "", f"| network | {' | '.join(FORMATS)} |", "|---" * (len(FORMATS) + 1) + "|"]
        for overrides in group:
            lines.append(row(overrides))
            log.info("%s", lines[-1])
        lines.append("")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def presets() -> Iterator[str]:
    """Every option of `model`, and the FCN authors' geometry."""
    for name in mistakes.options(conf_dir(), "model"):
        yield f"model={name}"
    yield "model=fcn8s encoder.padding=100"


def encoders() -> Iterator[str]:
    """Every option of `encoder`, in a U-Net and in an FCN with the finest skips that it has the strides for."""
    for name in mistakes.options(conf_dir(), "encoder"):
        fcn = [f"encoder={name} decoder=fcn skips={skips}" for skips in ("add8", "add16", "add4", "none")]
        for choices in ([f"encoder={name} decoder=unet_auto skips=concat"], fcn):
            yield from islice(filter(fits, choices), 1)


def others() -> Iterator[str]:
    """Every decoder over a ResNet, and those for transformers over two of these, with the first skips that fit."""
    of_transformers = ["dpt", "linear", "segformer", "upernet"]
    chosen = {"resnet18": list(decoders()), "vit_small": of_transformers, "swin_tiny": of_transformers}
    for encoder, names in chosen.items():
        for name in names:
            cell = " ".join([f"encoder={encoder}", *decoder_overrides(name)])
            yield from islice(filter(fits, (f"{cell} skips={skips}" for skips in ("concat", "add4", "none"))), 1)


def fits(overrides: str) -> bool:
    """Whether there is such a network."""
    try:
        build(overrides.split(), device="meta")
    except ValueError:
        return False
    return True


def row(overrides: str) -> str:
    """A line of the table."""
    try:
        found = measured(overrides.split(), FORMATS)
    except ValueError as error:
        return f"| {overrides} | not exported: {error} {'|' * len(FORMATS)}"
    return f"| {overrides} | {' | '.join(f'{value:.0e}' for value in found)} |"


def build(overrides: Sequence[str], device: str = "cpu") -> nn.Module:
    """The network, in eval mode, with random score layers: those of an FCN begin as zeros, which say nothing."""
    torch.manual_seed(0)
    with torch.device(device):
        net = build_model(compose("data=shapes", "encoder.weights=null", *overrides)).eval()
    for head in net.head_modules():  # type: ignore[operator]
        for parameter in head.parameters():
            nn.init.normal_(parameter, 0, 0.05)
    return net


def measured(overrides: Sequence[str], formats: Sequence[str]) -> list[float]:
    """By format, the largest difference as a share of the range of the logits. ValueError: why there is no export."""
    net = build(overrides)
    about = About([str(i) for i in range(9)], [(0, 0, 0)] * 9)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in formats:
            file = write_format(name, net, Path(folder), about)
            try:
                found.append(max(differences(open_runtime(file, 1), net, about, relative=True).values()))
            except ValueError as error:
                raise ValueError(f"format={name}: {error}") from None
    return found
