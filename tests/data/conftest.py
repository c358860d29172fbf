"""Small real data sets in the official layouts, written by the tests themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seglight import compose
from seglight.colours import voc_colours
from seglight.config import build

Colours = list[int]


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A smooth random RGB image: survives JPEG."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def labels(height: int, width: int, classes: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blocks of class indices with one ignored row."""
    blocks = np.random.default_rng(seed).integers(0, classes, (3, 4), dtype=np.uint8)
    mask = np.array(Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST))
    mask[0] = 255
    return mask


def save_palette(mask: NDArray[np.uint8], path: Path) -> None:
    image = Image.fromarray(mask)
    image.putpalette([channel for colour in voc_colours(256) for channel in colour])
    image.save(path)


def write_voc(root: Path, train: int = 6, val: int = 3, year: int = 2012) -> Path:
    """SEGLIGHT_DATA with VOCdevkit/VOC<year>; images of different sizes."""
    voc = root / "VOCdevkit" / f"VOC{year}"
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / folder).mkdir(parents=True)
    for split, count in (("train", train), ("val", val)):
        names = [f"{year}_{split}{number:03d}" for number in range(count)]
        for number, name in enumerate(names):
            size = (40 + number % 20, 60 - number % 20)
            Image.fromarray(picture(*size, number + (1000 if split == "val" else 0))).save(
                voc / "JPEGImages" / f"{name}.jpg", quality=95
            )
            save_palette(labels(*size, 21, number), voc / "SegmentationClass" / f"{name}.png")
        (voc / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.fixture
def voc_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """SEGLIGHT_DATA points at a small VOC; returns VOCdevkit/VOC2012."""
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    return write_voc(tmp_path) / "VOCdevkit" / "VOC2012"


def general(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """In this process, by twos: what every data set of ours takes."""
    return () if "data=module" in overrides else ("data.num_workers=0", "data.batch_size=2")


@pytest.fixture
def make_data() -> Callable[..., Any]:
    """`make_data("data=voc", ...)`: the data module of a composed config, in this process."""

    def make(*overrides: str) -> Any:
        return build(compose(*general(overrides), *overrides), "data")

    return make
