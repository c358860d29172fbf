"""Pascal VOC segmentation, official layout (Everingham et al. 2010): palette PNGs, 255 at the objects' borders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.colours import voc_colours
from seglight.data import instances
from seglight.data.datamodule import SegmentationData
from seglight.data.listing import read_ids
from seglight.data.pair import Pair
from seglight.data.source import Archive, Source
from seglight.values import one_of

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
HOME = "http://host.robots.ox.ac.uk/pascal/VOC"
LICENCE = "images from Flickr under its terms, annotations free to use for research; cite Everingham et al. 2010"
HOST = "https://thor.robots.ox.ac.uk/pascal/VOC"
ARCHIVES = {
    2007: (
        Archive("VOCtrainval_06-Nov-2007.tar", f"{HOST}/voc2007/VOCtrainval_06-Nov-2007.tar", "",
                "md5:c52e279531787c972589f7e41ab4ae64"),
        Archive("VOCtest_06-Nov-2007.tar", f"{HOST}/voc2007/VOCtest_06-Nov-2007.tar", "",
                "md5:b6e924de25625d8de591ea690078ad9f"),
    ),
    2008: (Archive("VOCtrainval_14-Jul-2008.tar", f"{HOST}/voc2008/VOCtrainval_14-Jul-2008.tar", "",
                   "md5:2629fa636546599198acfcfbfcf1904a"),),
    2009: (Archive("VOCtrainval_11-May-2009.tar", f"{HOST}/voc2009/VOCtrainval_11-May-2009.tar", "",
                   "md5:a3e00b113cfcfebf17e343f59da3caa1"),),
    2010: (Archive("VOCtrainval_03-May-2010.tar", f"{HOST}/voc2010/VOCtrainval_03-May-2010.tar", "",
                   "md5:da459979d0c395079b5c75ee67908abb"),),
    2011: (Archive("VOCtrainval_25-May-2011.tar", f"{HOST}/voc2011/VOCtrainval_25-May-2011.tar", "",
                   "md5:6c3384ef61512963050cb5d687e5bf1e", "TrainVal/"),),
    2012: (Archive("VOCtrainval_11-May-2012.tar", f"{HOST}/voc2012/VOCtrainval_11-May-2012.tar", "",
                   "md5:6cd6e144f989b92b3379bac3b3de84fd"),),
}  # fmt: skip
OFFICIAL_LISTS = Path(__file__).parent / "lists" / "voc2012"


class VOC(SegmentationData):
    """train, val, trainval and test of the years 2007 to 2012; test has masks in 2007 only."""

    classes = CLASSES
    palette = voc_colours(21)
    things = CLASSES[1:]
    layout = "JPEGImages/*.jpg, SegmentationClass/*.png, ImageSets/Segmentation/*.txt (VOCdevkit/VOC<year>)"
    splits: tuple[str, ...] = ("train", "val", "trainval", "test")

    def __init__(self, *, year: int = 2012, **options: Any) -> None:
        super().__init__(**options)
        self.year = one_of("data.year", year, range(2007, 2013))  # those that have segmentation masks
        self.source = Source(HOME, LICENCE, ARCHIVES[year])

    def pairs(self, split: str) -> list[Pair]:
        labelled = split != "test" or self.year == 2007
        return [Pair(self.image(name), self.mask(name) if labelled else None, name) for name in self.ids(split)]

    def ids(self, split: str) -> list[str]:
        """The split's ids: from the list in the data folder, else from the official list of 2012 that is shipped."""
        assert self.root is not None
        path = self.root / "ImageSets" / "Segmentation" / f"{split}.txt"
        official = OFFICIAL_LISTS / f"{split}.txt"
        return read_ids(official if self.year == 2012 and not path.exists() and official.exists() else path)

    @property
    def submission(self) -> tuple[str, str]:
        """The folder of what goes to the server, and how it is packed."""
        return "results", "gztar"

    def save_submission(self, mask: NDArray[np.uint8], name: str, folder: Path) -> Path:
        """Writes a mask where the devkit looks for it: results/VOC<year>/Segmentation/comp6_test_cls/<name>.png."""
        target = Path(folder) / "results" / f"VOC{self.year}" / "Segmentation" / "comp6_test_cls"
        return super().save_prediction(mask, name, target)

    def image(self, name: str) -> Path:
        assert self.root is not None
        return self.root / "JPEGImages" / f"{name}.jpg"

    def mask(self, name: str) -> Path:
        assert self.root is not None
        return self.root / "SegmentationClass" / f"{name}.png"

    def instances(self, pair: Pair, mask: NDArray[np.uint8]) -> NDArray[np.int32]:
        assert self.root is not None
        return instances.voc(self.root / "SegmentationObject" / f"{pair.name}.png")
