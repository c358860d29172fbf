"""Pascal VOC segmentation, official layout (Everingham et al. 2010): palette PNGs, 255 at the objects' borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seglight.data.datamodule import SegmentationData
from seglight.data.listing import read_ids
from seglight.data.pair import Pair
from seglight.data.palette import voc_colours

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
OFFICIAL_LISTS = Path(__file__).parent / "lists" / "voc2012"


class VOC(SegmentationData):
    """train, val, trainval and test of the years 2007 to 2012; test has masks in 2007 only."""

    classes = CLASSES
    palette = voc_colours(21)
    layout = "JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/*.txt (VOCdevkit/VOC<year>)"
    splits: tuple[str, ...] = ("train", "val", "trainval", "test")

    def __init__(self, *, year: int = 2012, **options: Any) -> None:
        super().__init__(**options)
        if year not in range(2007, 2013):
            raise ValueError(f"data.year={year}; expected 2007 to 2012, the years that have segmentation masks")
        self.year = year

    def pairs(self, split: str) -> list[Pair]:
        labelled = split != "test" or self.year == 2007
        return [Pair(self.image(name), self.mask(name) if labelled else None, name) for name in self.ids(split)]

    def ids(self, split: str) -> list[str]:
        """The split's ids: from the list in the data folder, else from the official list of 2012 that is shipped."""
        assert self.root is not None
        path = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
        official = OFFICIAL_LISTS / f"{split}.txt"
        return read_ids(official if self.year == 2012 and not path.exists() and official.exists() else path)

    def image(self, name: str) -> Path:
        assert self.root is not None
        return self.root / "JPEGImages" / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        assert self.root is not None
        return self.root / "SegmentationClass" / f"{name}.png"
