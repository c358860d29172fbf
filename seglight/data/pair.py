"""One image and its mask, as a data set lists them; or a window of the two."""

# Shapes: H W pixels

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """A part of an image: its rows and columns, those of them that count (`inner`), and the size (H, W) of `image`."""

    top: int
    left: int
    bottom: int
    right: int
    inner: tuple[int, int, int, int]
    image: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    def of_image(self, whole: NDArray[Any]) -> NDArray[Any]:
        """What lies in the window, of an array [H, W, ...] of the image's size."""
        return whole[self.top : self.bottom, self.left : self.right]

    def of_part(self, part: NDArray[Any]) -> NDArray[Any]:
        """What counts, of an array of the window's size."""
        top, left, bottom, right = self.inner
        return part[top - self.top : bottom - self.top, left - self.left : right - self.left]


@dataclass(frozen=True, slots=True)
class Pair:
    """Where an image and its mask lie; `mask` is None where there are no labels (a test split)."""

    image: Path
    mask: Path | None
    name: str  # unique in its split, a file name without suffix: what predictions are called
    frame: int = 0  # of a TIFF stack
    window: Window | None = None  # what is read of them; all where there is none
