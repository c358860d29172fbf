"""Predicted masks as files: whole or not at all, and never outside their folder."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image


def inside(folder: str | Path, name: str) -> Path:
    """`folder`/`name`; ValueError where the name, or a link on its way, leads out of the folder."""
    path = Path(folder) / name
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise ValueError(f"{name} leads out of {folder}, where it would be written; expected a name inside it")
    return path


def prediction_file(folder: str | Path, name: str) -> Path:
    """`folder`/`name`.png, its folder made; ValueError where a data set's list names an image that leads out of it."""
    path = inside(folder, f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a PNG that is there whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        image.save(partial, "PNG")
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
