"""Pascal VOC segmentation, official layout (Everingham et al. 2010): palette PNGs, 255 at the objects' borders."""

from __future__ import annotations

from typing import Any

from seglight.data.datamodule import SegmentationData
from seglight.data.listing import read_ids
from seglight.data.pair import Pair
from seglight.data.palette import voc_colours

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class VOC(SegmentationData):
    """train, val, trainval and test of any year from 2007 on; test has masks for 2007 only."""

    classes = CLASSES
    palette = voc_colours(21)
    layout = "JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/{train,val}.txt (VOCdevkit/VOC2012)"
    splits = ("train", "val", "trainval", "test")

    def __init__(self, *, year: int = 2012, **options: Any) -> None:
        super().__init__(**options)
        self.year = year

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        masks = "SegmentationClassAug" if split == "train_aug" else "SegmentationClass"
        labelled = split != "test" or self.year == 2007
        return [
            Pair(
                self.root / "JPEGImages" / f"{name}.jpg",
                self.root / masks / f"{name}.png" if labelled else None,
                name,
            )
            for name in read_ids(self.root / "ImageSets" / "Segmentation" / f"{split}.txt")
        ]
