"""How well objects are found: average precision and panoptic quality, by torchmetrics."""

# Shapes: H W pixels, N objects, K classes

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seglight.data.sampler import dealt
from seglight.ignore import IGNORE_INDEX
from seglight.objects.numbering import Object

IOU = 0.5  # that a found object and a true one need to be the same
MOST = 8 * 2**30  # bytes: torchmetrics takes a mask for each object


class ObjectScores:
    """AP at IoU 0.5 (COCO's, Lin et al. 2014) and panoptic quality (Kirillov et al. 2019) of each class with objects.

    A class that has no object, neither true nor found, has no scores (NaN) and counts in no mean.
    """

    def __init__(self, classes: Sequence[str], things: Sequence[int]) -> None:
        from torchmetrics.detection import MeanAveragePrecision, PanopticQuality

        self.classes, self.things = list(classes), list(things)
        self.true = dict.fromkeys(self.things, 0)
        self.found = dict.fromkeys(self.things, 0)
        stuff = set(range(len(classes))) - set(self.things)
        self.precision = MeanAveragePrecision(
            iou_type="segm", iou_thresholds=[IOU], extended_summary=True, max_detection_thresholds=[1, 10, 65535],
            sync_on_compute=False,  # `merged` brings ranks together
        )  # fmt: skip
        self.precision.warn_on_many_detections = False
        self.quality = PanopticQuality(
            set(self.things), stuff, allow_unknown_preds_category=True, return_sq_and_rq=True, return_per_class=True,
            sync_on_compute=False,
        )  # fmt: skip

    def update(
        self, found: NDArray[Any], objects: Sequence[Object], mask: NDArray[np.uint8], true: NDArray[Any],
        labels: NDArray[np.uint8],
    ) -> None:  # fmt: skip
        """One image: `found` [H, W] numbers `objects` and `true` [H, W] the true ones, 0 is none and -1 ignored.

        mask and labels [H, W]: the predicted and the true classes. Where the truth is ignored nothing is found.
        """
        ignored = (true < 0) | (labels == IGNORE_INDEX)
        found = np.where(ignored, 0, found).astype(np.int64)
        numbers, classes = classes_of(np.where(ignored, 0, true), labels, self.things)
        left = [one for one in objects if (found == one.number).any()]
        indices = [self.classes.index(one.name) for one in left]
        for index in indices:
            self.found[index] += 1
        for index in classes:
            self.true[index] += 1
        scores = torch.tensor([1.0 if one.score is None else one.score for one in left])
        self.precision.update(
            [{"masks": masks(found, [one.number for one in left]), "labels": integers(indices), "scores": scores}],
            [{"masks": masks(true, numbers), "labels": integers(classes)}],
        )
        unknown = len(self.classes)
        is_thing = np.isin(np.arange(256), self.things)
        predicted = np.where(is_thing[mask] & (found == 0), unknown, mask)
        for one, index in zip(left, indices, strict=True):  # a border's pixels belong to the object beside it
            predicted[found == one.number] = index
        truth = np.where(ignored | (is_thing[labels] & (true == 0)), unknown, labels)
        number = np.where(is_thing[labels] & ~ignored, true, 0)
        self.quality.update(panoptic(predicted, found), panoptic(truth, number))

    def compute(self) -> tuple[dict[str, float], list[dict[str, Any]]]:
        """The means by name (`ap50`, `pq`, `sq`, `rq`), and a row a class."""
        average = self.precision.compute()
        seen = average["classes"].reshape(-1).tolist()
        precisions: dict[int, float] = {}
        if "precision" in average:  # it is not where nothing was found in any image
            curves = average["precision"][0, :, :, 0, -1]  # [recalls, classes]; `map` would count 100 objects an image
            precisions = dict(zip(seen, curves.mean(0).tolist(), strict=True))
        qualities = (
            self.quality.compute().reshape(-1, 3).tolist()
        )  # things in the order of their indices, then the rest
        rows: list[dict[str, Any]] = []
        for place, index in enumerate(sorted(self.things)):
            there = self.true[index] + self.found[index] > 0
            pq, sq, rq = qualities[place] if there else (math.nan,) * 3
            ap = precisions.get(index, 0.0) if self.true[index] else math.nan
            counts = {"true": self.true[index], "found": self.found[index]}
            rows.append({"class": self.classes[index], "ap50": ap, "pq": pq, "sq": sq, "rq": rq, **counts})
        return {name: mean(row[name] for row in rows) for name in ("ap50", "pq", "sq", "rq")}, rows


def merged(parts: Sequence[ObjectScores]) -> ObjectScores:
    """What several ranks have counted, as one process would have: images were dealt out to them in turn."""
    whole = parts[0]
    for name in ("precision", "quality"):
        states = [getattr(part, name).metric_state for part in parts]
        for key, first in states[0].items():
            values = [state[key] for state in states]
            setattr(getattr(whole, name), key, dealt(values) if isinstance(first, list) else sum(values))
    for index in whole.things:
        whole.true[index] = sum(part.true[index] for part in parts)
        whole.found[index] = sum(part.found[index] for part in parts)
    return whole


def classes_of(ids: NDArray[Any], labels: NDArray[np.uint8], things: Sequence[int]) -> tuple[list[int], list[int]]:
    """The numbers of the true objects and their classes: the label that most of an object's pixels have."""
    numbers, classes = [], []
    for number in np.unique(ids[ids > 0]).tolist():
        index = int(np.bincount(labels[ids == number], minlength=256)[:IGNORE_INDEX].argmax())
        if index in things:
            numbers.append(number)
            classes.append(index)
    return numbers, classes


def masks(ids: NDArray[Any], numbers: Sequence[int]) -> torch.Tensor:
    """bool [N, H, W]. ValueError where that would take the memory."""
    if len(numbers) * ids.size > MOST:
        raise ValueError(f"{len(numbers):,} objects are too many to be scored: raise objects.min_area")
    return torch.from_numpy(ids == np.array(numbers, np.int64).reshape(-1, 1, 1))


def integers(values: Sequence[int]) -> torch.Tensor:
    return torch.tensor(list(values), dtype=torch.int64)


def panoptic(classes: NDArray[Any], numbers: NDArray[Any]) -> torch.Tensor:
    """Class and object at each pixel [1, H, W, 2]."""
    return torch.from_numpy(np.stack([classes, np.maximum(numbers, 0)], -1).astype(np.int64))[None]


def mean(values: Any) -> float:
    """The mean of what is there; NaN where nothing is."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan
