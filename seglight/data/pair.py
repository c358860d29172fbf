"""One image and its mask, as a data set lists them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """Where an image and its mask lie; `mask` is None where there are no labels (a test split)."""

    image: Path
    mask: Path | None
    name: str  # unique in its split, a file name without suffix: what predictions are called
    frame: int = 0  # of a TIFF stack
