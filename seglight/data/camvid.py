"""CamVid, 11 classes as SegNet regrouped them (Brostow et al. 2009; Badrinarayanan et al. 2017)."""

from __future__ import annotations

from seglight.data.datamodule import SegmentationData
from seglight.data.labels import MappedLabels
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
PALETTE = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
    (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192),
)  # fmt: skip
VOID = 11


class CamVid(SegmentationData):
    """480 x 360 frames in `<split>/*.png` and `<split>annot/*.png`; label 11 is void and ignored."""

    classes = CLASSES
    palette = PALETTE
    layout = "train/*.png, trainannot/*.png, val/, valannot/, test/, testannot/ (SegNet's copy of CamVid)"
    splits = ("train", "val", "test")

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        images, masks = self.root / split, self.root / f"{split}annot"
        if not images.is_dir():
            raise FileNotFoundError(f"{images}: no such folder; data={self.name} expects {self.layout}")
        return [Pair(path, masks / path.name, path.stem) for path in sorted(images.glob("*.png"))]

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels({**{i: i for i in range(11)}, VOID: 255, 255: 255}))
