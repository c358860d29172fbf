"""`data=shapes`: images drawn from a seed, no files; thin structures make fine detail decide the score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.datamodule import SegmentationData
from seglight.data.pair import Pair
from seglight.data.reader import Reader
from seglight.data.settings import known_split
from seglight.data.shape_drawing import CLASSES, COLOURS, draw
from seglight.values import whole

SPLITS = ("train", "val", "test")


class ShapesReader:
    """Draws an image and its mask by (seed, split, number); keeps what it has drawn (4 bytes a pixel)."""

    def __init__(self, size: int, images_seed: int) -> None:
        self.size, self.images_seed = size, images_seed
        self.drawn: dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = {}

    def __call__(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        if pair.name not in self.drawn:
            split, number = pair.name.split("_")
            self.drawn[pair.name] = draw((self.images_seed, SPLITS.index(split), int(number)), self.size)
        return self.drawn[pair.name]

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        return self(pair)[1]

    def __getstate__(self) -> dict[str, Any]:
        return {"size": self.size, "images_seed": self.images_seed, "drawn": {}}


class Shapes(SegmentationData):
    """`train_images`, `val_images` and `test_images` of `size` x `size`; `images_seed` draws other ones.

    They do not depend on the run's seed, so that runs with different seeds are compared on the same images.
    """

    classes = CLASSES
    palette = COLOURS
    splits = SPLITS

    def __init__(
        self,
        *,
        size: int = 96,
        train_images: int = 600,
        val_images: int = 96,
        test_images: int = 96,
        images_seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        images = {"train_images": train_images, "val_images": val_images, "test_images": test_images}
        counts = (whole(f"data.{key}", count) for key, count in images.items())
        self.counts = dict(zip(SPLITS, counts, strict=True))
        self.shapes_reader = ShapesReader(whole("data.size", size), whole("data.images_seed", images_seed, 0))

    def pairs(self, split: str) -> list[Pair]:
        known_split(split, self.splits, self.name)
        names = (f"{split}_{number:04d}" for number in range(self.counts[split]))
        return [Pair(Path(f"{name}.png"), Path(f"{name}.png"), name) for name in names]

    def reader(self, split: str) -> Reader:
        return self.shapes_reader
