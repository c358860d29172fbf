"""scores/<data>_<split>.npz: what an evaluation counted in each image. Everything that compares runs starts from it."""

# Shapes: N images, K classes, H W pixels

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seglight.data.prediction import inside
from seglight.ignore import IGNORE_INDEX
from seglight.results.error_kinds import KINDS, error_counts
from seglight.runs.atomic import written_whole


@dataclass(frozen=True)
class ImageCounts:
    """Pixels of one image: right, in ground truth and predicted of each class [K], and wrong of each kind [4].

    Pixels without a label (255) count nowhere.
    """

    name: str
    tp: NDArray[np.int64]
    gt: NDArray[np.int64]
    pred: NDArray[np.int64]
    errors: NDArray[np.int64]

    def miou(self) -> float:
        """The mean IoU over the classes in its ground truth or prediction; NaN where nothing has a label."""
        return float(mean_iou(self.tp, self.gt, self.pred))


def counts_of(
    name: str, truth: NDArray[np.uint8], prediction: NDArray[np.uint8], kinds: NDArray[np.uint8], num_classes: int
) -> ImageCounts:
    """Counts one image from its masks [H, W] and its error map."""
    labelled = truth != IGNORE_INDEX
    tp, gt, pred = (
        np.bincount(pixels, minlength=num_classes).astype(np.int64)
        for pixels in (truth[kinds == 0], truth[labelled], prediction[labelled])
    )
    return ImageCounts(name, tp, gt, pred, error_counts(kinds))


def merged(parts: Iterable[ImageCounts], image_of: Callable[[str], str]) -> list[ImageCounts]:
    """The counts of whole images, of those of their parts, no pixel of which is in two."""
    found: dict[str, ImageCounts] = {}
    for part in parts:
        name = image_of(part.name)
        there = found.get(name)
        counts = (part.tp, part.gt, part.pred, part.errors)
        if there is not None:
            before = (there.tp, there.gt, there.pred, there.errors)
            counts = tuple(a + b for a, b in zip(before, counts, strict=True))  # type: ignore[assignment]
        found[name] = ImageCounts(name, *counts)
    return list(found.values())


@dataclass(frozen=True)
class ImageScores:
    """The counts of a split: `names` [N], `classes` [K], `tp`, `gt`, `pred` int64 [N, K], `boundary`, `swap`, `missed`
    and `invented` int64 [N], which add up to each image's wrong pixels; the names of `data` and `split`."""

    data: str
    split: str
    names: NDArray[np.str_]
    classes: NDArray[np.str_]
    tp: NDArray[np.int64]
    gt: NDArray[np.int64]
    pred: NDArray[np.int64]
    boundary: NDArray[np.int64]
    swap: NDArray[np.int64]
    missed: NDArray[np.int64]
    invented: NDArray[np.int64]

    @classmethod
    def of(cls, data: str, split: str, classes: Sequence[str], images: Iterable[ImageCounts]) -> ImageScores:
        """The counts of single images, put together in their order."""
        images = list(images)
        errors = np.array([image.errors for image in images], np.int64).reshape(-1, len(KINDS))
        return cls(
            data,
            split,
            np.array([image.name for image in images], np.str_),
            np.array(classes, np.str_),
            *(
                np.array([getattr(image, what) for image in images], np.int64).reshape(-1, len(classes))
                for what in ("tp", "gt", "pred")
            ),
            *errors.T,
        )

    @classmethod
    def read(cls, path: Path) -> ImageScores:
        """From a file; ValueError names one that cannot be read. Its name says data and split where it does not."""
        data, _, split = path.stem.rpartition("_")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {"data": data, "split": split, **file}
                arrays = {name: arrays[name] for name in cls.__dataclass_fields__}
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} holds no scores of images: {str(error).splitlines()[0]}") from None
        return cls(**{**arrays, "data": str(arrays["data"]), "split": str(arrays["split"])})

    def wrong(self) -> NDArray[np.int64]:
        """Wrong pixels of each kind [N, 4], in the order of `KINDS`."""
        return np.stack([self.boundary, self.swap, self.missed, self.invented], 1)

    def miou(self) -> NDArray[np.float64]:
        """Each image's mean IoU [N] over the classes in its ground truth or prediction; NaN where none has a label."""
        return mean_iou(self.tp, self.gt, self.pred)

    def write(self, path: Path) -> None:
        """Into a file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path, "wb") as file:
            np.savez_compressed(file, **{name: getattr(self, name) for name in self.__dataclass_fields__})


def mean_iou(tp: NDArray[np.int64], gt: NDArray[np.int64], pred: NDArray[np.int64]) -> NDArray[np.float64]:
    """mIoU [...] of counts [..., K] over the classes that occur."""
    union = gt + pred - tp
    total = np.where(union > 0, tp / np.maximum(union, 1), 0).sum(-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / (union > 0).sum(-1))


def scores_file(run: Path, data: str, split: str) -> Path:
    """Where a run keeps the counts of a split; ValueError where the names lead out of the run."""
    return inside(inside(run, "scores"), f"{data}_{split}.npz")
