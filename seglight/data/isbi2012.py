"""ISBI 2012 membranes (Arganda-Carreras et al. 2015): 30 EM slices of 512 x 512, as PNG folders or a TIFF stack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.datamodule import SegmentationData
from seglight.data.decode import frame_count
from seglight.data.instances import components
from seglight.data.labels import MappedLabels
from seglight.data.pair import Pair
from seglight.data.reader import FileReader, Reader
from seglight.data.settings import known_split
from seglight.data.source import Source
from seglight.values import typed, whole

SOURCE = Source(
    "https://imagej.net/events/isbi-2012-segmentation-challenge",
    "the challenge's terms: research, cite Arganda-Carreras et al. 2015 and Cardona et al. 2010",
    by_hand="The challenge's server needs a login, and is often down. Get train-volume.tif, train-labels.tif and\n"
    "test-volume.tif from https://imagej.net/events/isbi-2012-segmentation-challenge and put the three into the\n"
    "folder isbi2012 of SEGLIGHT_DATA.",
)


class ISBI2012(SegmentationData):
    """k-fold: `train` is everything but fold `fold` of `folds`, `val` that fold, `all` the 30 slices.

    Folds are drawn from `fold_seed`; stored 0 is membrane, 255 the inside of a cell. `test` has no labels.
    """

    classes = ("membrane", "cell")
    palette = ((0, 0, 0), (255, 255, 255))
    layout = "train/image/*.png and train/label/*.png, or train-volume.tif and train-labels.tif"
    things = ("cell",)
    splits = ("train", "val", "all", "test")
    source = SOURCE

    def __init__(self, *, folds: int = 5, fold: int = 0, fold_seed: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.folds, self.fold = whole("data.folds", folds, 2), whole("data.fold", fold, 0)
        self.fold_seed = whole("data.fold_seed", fold_seed, 0)
        if fold >= folds:
            raise ValueError(f"data.fold={fold}: a whole number below data.folds={folds} is needed")

    def refuse_unused(self) -> None:
        chosen = self.selection
        seed = 0 if chosen.fraction < 1 else chosen.seed
        for key, value in (("group", chosen.group), ("stratify", chosen.stratify), ("split_seed", seed)):
            if value:
                raise ValueError(
                    f"data.{key}={typed(value)}: data={self.name} has folds of its own, of single slices in an order "
                    f"that data.fold_seed draws; leave data.{key} out"
                )

    def pairs(self, split: str) -> list[Pair]:
        assert self.root is not None
        known_split(split, self.splits, self.name)
        if split == "test":
            return slices(self.root, "test", labelled=False, layout=self.layout)
        pairs = slices(self.root, "train", labelled=True, layout=self.layout)
        if split == "all":
            return pairs
        order = np.random.default_rng(self.fold_seed).permutation(len(pairs))
        held_out = set(order[self.fold :: self.folds].tolist())
        return [pair for index, pair in enumerate(pairs) if (index in held_out) == (split == "val")]

    def reader(self, split: str) -> Reader:
        return FileReader(MappedLabels({0: 0, 255: 1}))

    def instances(self, pair: Pair, mask: NDArray[np.uint8]) -> NDArray[np.int32]:
        return components(mask == 1)


def slices(root: Path, part: str, labelled: bool, layout: str) -> list[Pair]:
    """The slices of a PNG folder, or the frames of a TIFF stack."""
    folder, stack = root / part / "image", root / f"{part}-volume.tif"
    if folder.is_dir():
        paths = sorted(folder.glob("*.png"), key=lambda path: (len(path.stem), path.stem))
        return [Pair(path, root / part / "label" / path.name if labelled else None, path.stem) for path in paths]
    if not stack.exists():
        raise FileNotFoundError(f"{folder}: no such folder, and no {stack}; expected {layout}")
    labels = root / f"{part}-labels.tif" if labelled else None
    frames = frame_count(stack)
    if labels is not None and frame_count(labels) != frames:
        raise ValueError(f"{labels}: {frame_count(labels)} frames; expected {frames}, as many as {stack} has")
    return [Pair(stack, labels, f"{frame:02d}", frame) for frame in range(frames)]
