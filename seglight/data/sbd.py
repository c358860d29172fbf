"""VOC with SBD's masks (Hariharan et al. 2011): the 10,582 of most papers, and the FCN authors' own 8,498."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seglight.data.listing import read_ids
from seglight.data.pair import Pair
from seglight.data.source import Archive, Source
from seglight.data.voc import ARCHIVES, LICENCE, VOC
from seglight.values import one_of

SBD = Archive(
    "benchmark.tgz",
    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    "",
    "md5:82b4d87ceb2ed10f6038a1cba92111cb",
)
SOURCE = Source(
    "http://home.bharathh.info/pubs/codes/SBD/download.html",
    f"SBD: for research, cite Hariharan et al. 2011; VOC: {LICENCE}",
    (*ARCHIVES[2012], SBD),
)
SBD_LAYOUT = "cls/*.mat, img/*.jpg, train.txt, val.txt (SBD's benchmark_RELEASE/dataset)"


class VOCSBD(VOC):
    """train_aug: VOC's train plus SBD without VOC's val, 10,582 images; val, test as in VOC.

    Masks come from `SegmentationClassAug/*.png` (the widely used copy) where that folder exists, else from SBD's .mat
    files, except for images that VOC itself annotated. `data.masks=png|mat` fixes the choice.
    """

    layout = f"{VOC.layout}; SegmentationClassAug/*.png there, or under data.sbd_root {SBD_LAYOUT}"
    splits = ("train_aug", "val", "trainval", "test")

    def __init__(self, *, sbd_root: str | Path, masks: str = "auto", **options: Any) -> None:
        super().__init__(**options)
        self.masks = one_of("data.masks", masks, ("auto", "png", "mat"))
        self.source, self.sbd_root = SOURCE, Path(sbd_root).expanduser()

    def pairs(self, split: str) -> list[Pair]:
        if split != "train_aug":
            return super().pairs(split)
        assert self.root is not None
        folder = self.root / "SegmentationClassAug"
        if self.masks == "png" or (self.masks == "auto" and folder.is_dir()):
            return [Pair(self.image(name), folder / f"{name}.png", name) for name in self.ids(split)]
        require_sbd(self.sbd_root, f"data={self.name} found no {folder} either")
        drawn = {path.stem for path in (self.root / "SegmentationClass").glob("*.png")}
        return [
            Pair(self.image(name), self.mask(name) if name in drawn else sbd_mask(self.sbd_root, name), name)
            for name in self.ids(split)
        ]


class VOCFCN(VOC):
    """The FCN authors' release: trained on SBD's own list (8,498), tested on seg11valid (736); the two are disjoint."""

    layout = f"{VOC.layout}; and under data.sbd_root {SBD_LAYOUT}"
    splits = ("train", "seg11valid")

    def __init__(self, *, sbd_root: str | Path, **options: Any) -> None:
        super().__init__(**options)
        self.source = SOURCE
        self.sbd_root = Path(sbd_root).expanduser()

    def pairs(self, split: str) -> list[Pair]:
        if split != "train":
            return super().pairs(split)
        require_sbd(self.sbd_root, f"data={self.name} trains on SBD's masks")
        names = read_ids(self.sbd_root / "train.txt")
        tested = set(self.ids("seg11valid"))
        both = [name for name in names if name in tested]
        if both:
            raise ValueError(f"{self.sbd_root / 'train.txt'}: {len(both)} ids are in seg11valid too, e.g. {both[0]}")
        return [Pair(self.sbd_root / "img" / f"{name}.jpg", sbd_mask(self.sbd_root, name), name) for name in names]


def sbd_mask(root: Path, name: str) -> Path:
    return root / "cls" / f"{name}.mat"


def require_sbd(root: Path, why: str) -> None:
    """SBD has to be fetched on its own."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"{root}: no such folder ({why}); expected {SBD_LAYOUT}. Run: python -m seglight.fetch data=voc_sbd"
        )
