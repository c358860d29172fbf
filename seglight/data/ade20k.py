"""ADE20K scene parsing, 150 classes (Zhou et al. 2017): stored 0 is "other", which is ignored; 1 to 150 are classes."""

from __future__ import annotations

from pathlib import Path

from seglight.colours import voc_colours
from seglight.data.datamodule import SegmentationData
from seglight.data.labels import MappedLabels
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader
from seglight.data.settings import known_split
from seglight.data.source import Archive, Source

CLASSES = tuple((Path(__file__).parent / "lists" / "ade20k" / "classes.txt").read_text(encoding="utf-8").splitlines())
STORED_TO_CLASS = {0: 255, **{stored: stored - 1 for stored in range(1, 151)}}
SOURCE = Source(
    "https://groups.csail.mit.edu/vision/datasets/ADE20K",
    "images for non-commercial research, annotations BSD 3-clause; cite Zhou et al. 2017",
    (
        Archive(
            "ADEChallengeData2016.zip",
            "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
            "",
        ),
    ),
)
FOLDERS = {"train": "training", "val": "validation"}


class ADE20K(SegmentationData):
    """20,210 training and 2,000 validation images; colours are VOC's colour map."""

    classes = CLASSES
    palette = voc_colours(151)[1:]
    layout = "images/{training,validation}/*.jpg and annotations/{training,validation}/*.png (ADEChallengeData2016)"
    splits = ("train", "val")
    source = SOURCE

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        folder = FOLDERS.get(split, split)
        images = self.root / "images" / folder
        if not images.is_dir():
            known_split(split, self.splits, self.name)
            raise FileNotFoundError(f"{images}: no such folder; data={self.name} expects {self.layout}")
        masks = self.root / "annotations" / folder
        return [Pair(path, masks / f"{path.stem}.png", path.stem) for path in sorted(images.glob("*.jpg"))]

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels(STORED_TO_CLASS))
