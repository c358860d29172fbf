"""Cityscapes: 19 training classes of 34 label ids (Cordts et al. 2016; cityscapesscripts/helpers/labels.py)."""

# Shapes: H W pixels

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.data import instances
from seglight.data.datamodule import SegmentationData
from seglight.data.labels import MappedLabels
from seglight.data.pair import Pair
from seglight.data.prediction import prediction_file, save_png
from seglight.data.reader import FileReader, Reader
from seglight.data.settings import known_split
from seglight.data.source import Archive, Source
from seglight.values import one_of

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation", "terrain",
    "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153), (250, 170, 30),
    (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142),
    (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip
CLASS_TO_ID = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
WITH_OBJECTS = range(24, 34)  # label ids, caravan and trailer among them
ID_TO_CLASS = {**dict.fromkeys(range(-1, 34), 255), 255: 255, **{i: k for k, i in enumerate(CLASS_TO_ID)}}
SOURCE = Source(
    "https://www.cityscapes-dataset.com",
    "free for non-commercial use after registration; not to be passed on (https://www.cityscapes-dataset.com/license)",
    (
        Archive("leftImg8bit_trainvaltest.zip", None, "cityscapes"),
        Archive("gtFine_trainvaltest.zip", None, "cityscapes"),
    ),
    "1. Register at https://www.cityscapes-dataset.com/register and agree to its terms.\n"
    "2. Download leftImg8bit_trainvaltest.zip (11 GB) and gtFine_trainvaltest.zip (241 MB) in a browser, or with\n"
    "   pip install cityscapesscripts; csDownload gtFine_trainvaltest.zip leftImg8bit_trainvaltest.zip\n"
    "   (for data.coarse=true leftImg8bit_trainextra.zip and gtCoarse.zip too: unpack them there by hand).",
)
RESULTS = "cityscapes_results"  # what CITYSCAPES_RESULTS points the official evaluator at


class Cityscapes(SegmentationData):
    """2048 x 1024 frames; label ids become training classes on reading, -1 (licence plate) and the rest 255.

    `coarse` adds the 19,998 coarsely annotated frames of train_extra to train.
    """

    classes = CLASSES
    palette = PALETTE
    things = CLASSES[11:]
    layout = "leftImg8bit/<split>/<city>/*_leftImg8bit.png and gtFine/<split>/<city>/*_gtFine_labelIds.png"
    splits = ("train", "val", "test")
    source = SOURCE
    submission = (RESULTS, "zip")  # what goes to the server, and how it is packed

    def __init__(self, *, coarse: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.coarse = one_of("data.coarse", coarse, (False, True))

    def pairs(self, split: str) -> list[Pair]:
        pairs = self.frames(split, None if split == "test" else "gtFine")
        if self.coarse and split == "train":
            pairs += self.frames("train_extra", "gtCoarse")
        return pairs

    def frames(self, split: str, annotation: str | None) -> list[Pair]:
        """The frames of a split's cities with their masks of one kind."""
        assert self.root is not None
        folder = self.root / "leftImg8bit" / split
        if not folder.is_dir():
            known_split(split, (*self.splits, "train_extra"), self.name)
            raise FileNotFoundError(f"{folder}: no such folder; data={self.name} expects {self.layout}")
        pairs = []
        for image in sorted(folder.glob("*/*_leftImg8bit.png")):
            name = image.name.removesuffix("_leftImg8bit.png")
            masks = self.root / (annotation or "") / split / image.parent.name
            pairs.append(Pair(image, masks / f"{name}_{annotation}_labelIds.png" if annotation else None, name))
        return pairs

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels(ID_TO_CLASS))

    def instances(self, pair: Pair, mask: NDArray[np.uint8]) -> NDArray[np.int32]:
        assert pair.mask is not None
        name = pair.mask.name.replace("_labelIds", "_instanceIds")
        return instances.cityscapes(pair.mask.with_name(name), WITH_OBJECTS)

    def save_prediction(self, mask: NDArray[np.uint8], name: str, folder: Path) -> Path:
        """Writes the palette PNG, and label ids to `cityscapes_results/` beside `folder`, as the evaluator reads."""
        path = super().save_prediction(mask, name, folder)  # refuses a name that leads out of the folder
        self.save_submission(mask, name, Path(folder).parent)
        return path

    def save_submission(self, mask: NDArray[np.uint8], name: str, folder: Path) -> Path:
        """Writes label ids to cityscapes_results/<name>_predLabelIds.png; an ignored pixel becomes 0, unlabeled."""
        ids = np.zeros(256, np.uint8)
        ids[: len(CLASS_TO_ID)] = CLASS_TO_ID
        path = prediction_file(Path(folder) / RESULTS, f"{name}_predLabelIds")
        save_png(Image.fromarray(ids[mask]), path)
        return path
