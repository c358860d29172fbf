"""`python -m seglight.inspect model=... data=...`: a network's parts in a table and a picture, without training."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from seglight.cli import made, run_command

if TYPE_CHECKING:
    from seglight.models.anatomy import Part

log = logging.getLogger(__name__)


def inspect(cfg: DictConfig) -> None:
    """Prints the table, writes the picture (or the grid of all networks) and says where."""
    from seglight.config import build, build_model
    from seglight.models.anatomy import anatomy

    sides = [cfg.size, cfg.size] if isinstance(cfg.size, int) else cfg.size
    sized = isinstance(sides, Sequence) and not isinstance(sides, str) and len(sides) == 2
    if not sized or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"size={cfg.size}: expected a number of pixels, or [height,width]")
    cfg.size = list(sides)
    if cfg.grid:
        made("grid", Path(cfg.grid).parent)
        from seglight.tables.grid import write_grid

        write_grid(Path(cfg.grid), tuple(cfg.size))
        log.info("wrote: %s", cfg.grid)
        return
    if cfg.exports:
        from seglight.tables.exports import write_exports

        write_exports(Path(cfg.exports))
        log.info("wrote: %s", cfg.exports)
        return
    if cfg.families:
        from seglight.tables.families import write_families

        write_families(Path(cfg.families))
        log.info("wrote: %s", cfg.families)
        return
    path = Path(cfg.picture)
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise ValueError(f"picture={path}: expected a name that ends in .png, .jpg or .webp")
    made("picture", path.parent)
    if OmegaConf.select(cfg, "encoder.weights") is not None:
        cfg.encoder.weights = None  # numbers alone need no download
    net: Any = build_model(cfg)
    build(cfg, "freeze").apply(net, epoch=0)
    parts = anatomy(net, tuple(cfg.size))
    print_table(
        parts,
        f"{cfg.model_name} on {cfg.data.name}: {cfg.data.num_classes} classes, {cfg.size[0]} x {cfg.size[1]} pixels",
    )
    fixed = sum(getattr(module, "dense_size", 0) for module in net.modules())
    if fixed:
        log.info(
            f"{fixed:,} of the frozen parameters are fixed bilinear kernels, counted as the published network "
            "holds them (between all classes); seglight keeps one k x k kernel for all."
        )
    if hasattr(net.decoder, "classifications"):
        log.info(f"classifications per image: {net.decoder.classifications(*cfg.size):,}")
    from seglight.models.picture import draw

    draw(parts, tuple(cfg.size)).save(path)
    log.info("wrote: %s", path)


def print_table(parts: list[Part], title: str) -> None:
    """One row a part, then the sum."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in (
        "part",
        "stride",
        "channels",
        "output",
        "receptive field",
        "offset",
        "trainable",
        "frozen",
        "GFLOPs",
    ):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part in parts:
        table.add_row(*cells(part))
    table.add_section()
    total = [sum(part.trainable for part in parts), sum(part.frozen for part in parts)]
    gflops = sum(part.gflops for part in parts)
    table.add_row("total", "", "", "", "", f"{sum(total):,} in all", *(f"{n:,}" for n in total), f"{gflops:.2f}")
    Console(width=130).print(table)


def cells(part: Part) -> list[str]:
    """A part's row."""
    shape, where = part.output, part.where
    image = shape is not None and len(shape) == 3
    return [
        part.name,
        f"{where.stride:g}" if where else "-",
        f"{shape[0]:,}" if shape else "-",
        f"{shape[1]} x {shape[2]}" if shape and image else "-",
        "image" if where and where.size == float("inf") else f"{where.size:g}" if where else "-",
        f"{where.offset:g}" if where and where.offset == where.offset else "-",
        f"{part.trainable:,}",
        f"{part.frozen:,}",
        f"{part.gflops:.2f}",
    ]


def main() -> None:
    run_command("inspect", inspect)


if __name__ == "__main__":
    main()
