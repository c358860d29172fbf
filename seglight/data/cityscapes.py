"""Cityscapes, fine annotations: 19 training classes of 34 label ids (Cordts et al. 2016, scripts/helpers/labels.py)."""

from __future__ import annotations

from seglight.data.datamodule import SegmentationData
from seglight.data.labels import MappedLabels
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
CLASS_TO_ID = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)  # the inverse, for writing
ID_TO_CLASS = {**dict.fromkeys(range(-1, 34), 255), 255: 255, **{i: k for k, i in enumerate(CLASS_TO_ID)}}


class Cityscapes(SegmentationData):
    """2048 x 1024 frames; label ids become training classes on reading, -1 (licence plate) and the rest 255."""

    classes = CLASSES
    palette = PALETTE
    layout = "leftImg8bit/<split>/<city>/*_leftImg8bit.png and gtFine/<split>/<city>/*_gtFine_labelIds.png"
    splits = ("train", "val", "test")

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        folder = self.root / "leftImg8bit" / split
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder; data={self.name} expects {self.layout}")
        pairs = []
        for image in sorted(folder.glob("*/*_leftImg8bit.png")):
            name = image.name.removesuffix("_leftImg8bit.png")
            mask = self.root / "gtFine" / split / image.parent.name / f"{name}_gtFine_labelIds.png"
            pairs.append(Pair(image, None if split == "test" else mask, name))
        return pairs

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels(ID_TO_CLASS))
