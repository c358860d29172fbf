"""Turns the values stored in mask files into class indices; 255 is ignored everywhere."""

# Shapes: H W pixels, K classes

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from seglight.ignore import IGNORE_INDEX

UNKNOWN = 254  # in tables: a value that the data set does not define


class Labels(Protocol):
    """How a data set stores its labels."""

    def __call__(self, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        """Class indices [H, W] of what `read_mask` returned; ValueError names the file and the value."""


@dataclass(frozen=True)
class IndexLabels:
    """Masks that store class indices 0..K-1, and 255 for ignored pixels."""

    num_classes: int

    def __call__(self, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        refuse_colours(stored, path, f"class indices 0 to {self.num_classes - 1} and {IGNORE_INDEX}")
        if stored.dtype == np.uint8:
            if (stored + np.uint8(1)).max() <= self.num_classes:  # 255 wraps to 0: one cheap pass
                return stored
        elif ((stored < 0) | (stored >= self.num_classes) & (stored != IGNORE_INDEX)).sum() == 0:
            return stored.astype(np.uint8)
        allowed = [*range(self.num_classes), IGNORE_INDEX]
        raise unknown_values(stored, allowed, path, f"0 to {self.num_classes - 1}, or {IGNORE_INDEX} for ignored")


@dataclass(frozen=True)
class MappedLabels:
    """Masks that store other numbers: `ids` says which class each one is (255: ignored)."""

    ids: Mapping[int, int]
    table: NDArray[np.uint8] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = np.full(max(256, max(self.ids) + 1), UNKNOWN, np.uint8)
        for stored, index in self.ids.items():
            if stored >= 0:
                table[stored] = index
        object.__setattr__(self, "table", table)

    def __call__(self, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        expected = f"one of {sorted(self.ids)}"
        refuse_colours(stored, path, "label numbers")
        if stored.dtype == np.uint8:
            mask = np.asarray(cv2.LUT(stored, self.table[:256]), np.uint8)
        else:
            inside = (stored >= 0) & (stored < len(self.table))
            mask = np.where(inside, self.table[np.where(inside, stored, 0)], np.uint8(UNKNOWN))
            for value in (value for value in self.ids if value < 0):
                mask[stored == value] = self.ids[value]
        if UNKNOWN not in self.ids.values() and (mask == UNKNOWN).any():
            raise unknown_values(stored, list(self.ids), path, expected)
        return mask


@dataclass(frozen=True)
class ColourLabels:
    """Masks that store a colour a class: `colours` maps (R, G, B) to the class index (255: ignored)."""

    colours: Mapping[tuple[int, int, int], int]

    def __call__(self, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        if stored.ndim != 3:
            raise ValueError(f"{path}: single numbers are stored; expected RGB colours of the class table")
        codes = (stored[..., 0].astype(np.int32) << 16) | (stored[..., 1].astype(np.int32) << 8) | stored[..., 2]
        known = np.array(sorted((r << 16) | (g << 8) | b for r, g, b in self.colours), np.int32)
        by_code = {(r << 16) | (g << 8) | b: index for (r, g, b), index in self.colours.items()}
        classes = np.array([by_code[int(code)] for code in known], np.uint8)
        places = np.searchsorted(known, codes).clip(max=len(known) - 1)
        strange = known[places] != codes
        if strange.any():
            code = int(codes[strange][0])
            row, column = (int(x[0]) for x in np.nonzero(strange))
            raise ValueError(
                f"{path}: colour ({code >> 16}, {code >> 8 & 255}, {code & 255}) at row {row}, column {column} and "
                f"{int(strange.sum()):,} pixels in all are not in the class table of {len(known)} colours"
            )
        return np.asarray(classes[places])


@dataclass(frozen=True)
class TolerantLabels:
    """Other labels of masks that were stored lossily: a value or colour within `tolerance` of a known one is that.

    The nearest one is taken; a colour is as far away as its farthest channel.
    """

    labels: MappedLabels | ColourLabels
    tolerance: int

    def __call__(self, stored: NDArray[Any], path: Path) -> NDArray[np.uint8]:
        near, distance = nearest(stored, self.labels)
        takes = distance <= self.tolerance
        return self.labels(np.where(takes[..., None] if stored.ndim == 3 else takes, near, stored), path)


def nearest(stored: NDArray[Any], labels: MappedLabels | ColourLabels) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each pixel the known value or colour nearest to what is stored, and how far that is [H, W]."""
    if isinstance(labels, MappedLabels) or stored.ndim == 2:
        values, places = np.unique(stored, return_inverse=True)
        known = np.array(sorted(getattr(labels, "ids", {})) or [0])
        gaps = np.abs(values.astype(np.int64)[:, None] - known)
    else:
        values, places = np.unique(stored.reshape(-1, 3), axis=0, return_inverse=True)
        known = np.array(sorted(labels.colours))
        gaps = np.abs(values.astype(np.int64)[:, None] - known).max(-1)
    near, distance = known[gaps.argmin(1)].astype(stored.dtype), gaps.min(1)
    return near[places].reshape(stored.shape), distance[places].reshape(stored.shape[:2])


def refuse_colours(stored: NDArray[Any], path: Path, expected: str) -> None:
    """An RGB mask where numbers are expected is refused: converting it to grey would invent labels."""
    if stored.ndim != 2:
        raise ValueError(
            f"{path}: an RGB mask; expected {expected} (a palette or greyscale PNG). Colour masks are read by "
            "data=folder with the colours in its class table"
        )


def unknown_values(stored: NDArray[Any], allowed: list[int], path: Path, expected: str) -> ValueError:
    """Names the values that no class has, and how many pixels have them."""
    values, counts = np.unique(stored, return_counts=True)
    bad = [(int(value), int(count)) for value, count in zip(values, counts, strict=True) if value not in allowed]
    listed = ", ".join(f"{value} ({count:,} px)" for value, count in bad[:8]) + (", ..." if len(bad) > 8 else "")
    return ValueError(f"{path}: label {listed} is out of range; expected {expected}")
