"""The smallest network of every family of timm: the maps it gives, or the reason why there are none."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import timm
import torch

from seglight.models.encoders.timm import timm as build

log = logging.getLogger(__name__)

SIZES = ((75, 101), (96, 96))  # height, width


def write_families(path: Path) -> None:
    """A Markdown table of one row a family: a module of timm's, with its network of the fewest parameters."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        rows = list(pool.map(row, timm.list_modules()))
    sizes = [f"{height} x {width}" for height, width in SIZES]
    text = f"""# timm's networks as encoders

`encoder=timm encoder.name=NAME`. For each family of timm {timm.__version__}, its network with the fewest parameters:
strides, channels and the maps of images of {" and ".join(sizes)} pixels, or timm's reason for refusing them. Images are
first extended to a multiple of the deepest stride (`encoder.multiple`). Made by
`python -m seglight.inspect families=docs/timm.md`.

| family | network | strides | channels | {" | ".join(sizes)} |
|{"---|" * (4 + len(SIZES))}
"""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "".join(f"{line}\n" for line in rows))


def row(family: str) -> str:
    """A family's line of the table."""
    torch.set_num_threads(1)
    sizes = list(parameters(family))
    if not sizes:
        return f"| {family} | none can be built {'|' * (3 + len(SIZES))}"
    _, name = min(sizes)
    log.info("%s: %s", family, name)
    try:
        encoder = build(name, weights=None).eval()
    except ValueError as error:
        return f"| {family} | {name} | | | {reason(error)} {'| ' * (len(SIZES) - 1)}|"
    columns = [" ".join(map(str, encoder.channels)), " ".join(map(str, encoder.channels.values()))]
    for height, width in SIZES:
        try:
            with torch.no_grad():
                maps = encoder(torch.zeros(1, 3, height, width, dtype=torch.uint8))
        except ValueError as error:
            columns.append(reason(error))
        else:
            columns.append(", ".join(f"{x.shape[2]} x {x.shape[3]}" for x in maps.values()))
    return f"| {family} | {name} | {' | '.join(columns)} |"


def parameters(family: str) -> Iterator[tuple[int, str]]:
    """How many parameters each network of a family has, with its name."""
    for name in timm.list_models(module=family):
        try:
            with torch.device("meta"):
                net = timm.create_model(name)
        except Exception as error:
            log.debug("%s: %s", name, error)  # timm cannot build it at all
            continue
        yield sum(p.numel() for p in net.parameters()), name


def reason(error: ValueError) -> str:
    """What timm says, out of seglight's message."""
    return "refused: " + str(error).partition("(")[2].rpartition(")")[0].replace("|", "/")
