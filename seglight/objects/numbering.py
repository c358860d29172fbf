"""Numbers the objects in a mask: connected components of each class, and on demand touching ones split."""

# Shapes: H W pixels, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from seglight.background import is_background
from seglight.deploy.prediction import Prediction
from seglight.values import number, one_of, shortened, whole

MOST = 65535  # objects that uint16 can number


@dataclass(frozen=True)
class Object:
    """One object: its number in the image, class, pixels, box (right and bottom are outside) and mean probability."""

    number: int
    name: str
    area: int
    left: int
    top: int
    right: int
    bottom: int
    score: float | None


@dataclass(frozen=True)
class Numbering:
    """Which classes have objects, and how those that touch are split.

    classes: names; None stands for the data set's own. split: `none` leaves touching objects one; `distance` cuts them
    at their necks, by a watershed on the distance to the border, where they are `depth` pixels narrower than on both
    sides; the name of a class that was trained as the border between objects: its pixels are dealt out to the objects
    beside it. Objects of fewer than `min_area` pixels are left out.
    """

    classes: Sequence[str] | None = None
    split: str = "none"
    depth: float = 1.0
    min_area: int = 1

    def __post_init__(self) -> None:
        number("objects.depth", self.depth, 0, above=True)
        whole("objects.min_area", self.min_area)

    def indices(self, names: Sequence[str], things: Sequence[str] = ()) -> list[int]:
        """The classes that have objects. ValueError names a class that there is none of."""
        one_of("objects.split", self.split, ("none", "distance", *names))
        wanted = self.classes or things or [name for name in names if name != self.split and not is_background(name)]
        for name in wanted:
            one_of("objects.classes", name, names)
        return [index for index, name in enumerate(names) if name in wanted and name != self.split]

    def check(self, data: Any) -> None:
        """ValueError where a data set has no such classes or no objects; FileNotFoundError names a missing file."""
        things = data.things
        indices = self.indices(data.classes, things)
        if not things:
            raise ValueError(f"data={data.name} has no instance masks; voc, cityscapes and isbi2012 have")
        if other := [data.classes[index] for index in indices if data.classes[index] not in things]:
            raise ValueError(
                f"objects.classes: data={data.name} has no instance masks of {other[0]}, but of {shortened(things)}"
            )
        pair = data.listed(data.split)[0]
        data.instances(pair, data.reader(data.split).mask(pair))  # names the file where they are not on this machine

    def __call__(self, prediction: Prediction, things: Sequence[str] = ()) -> tuple[NDArray[np.uint16], list[Object]]:
        """The number of the object at each pixel [H, W], 0 where there is none, and the objects in that order.

        ValueError where there are more than uint16 can number.
        """
        mask, names = prediction.mask, list(prediction.classes)
        ids = np.zeros(mask.shape, np.int32)
        classes: list[int] = []
        for index in self.indices(names, things):
            parts, count = self.parts(mask == index)
            ids = np.where(parts > 0, parts + len(classes), ids)
            classes += [index] * count
        if self.split in names:
            ids = grown(ids, mask == names.index(self.split))
        areas = np.bincount(ids.ravel(), minlength=len(classes) + 1)[1:]
        kept = np.flatnonzero(areas >= self.min_area)
        if len(kept) > MOST:
            raise ValueError(f"{len(kept):,} objects; {MOST:,} can be numbered: raise objects.min_area")
        renumbered = np.zeros(len(classes) + 1, np.uint16)
        renumbered[kept + 1] = np.arange(1, len(kept) + 1)
        numbered = renumbered[ids]
        found = [
            described(numbered, place, number + 1, classes[kept[number]], prediction)
            for number, place in enumerate(ndimage.find_objects(numbered))
        ]
        return numbered, found

    def parts(self, there: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
        """The objects of one class [H, W], from 1, and how many they are."""
        components, count = ndimage.label(there)  # four neighbours: what touches at a corner is apart
        if self.split != "distance" or count == 0:
            return components, count
        from skimage.morphology import local_maxima, reconstruction
        from skimage.segmentation import watershed

        distance = ndimage.distance_transform_edt(np.pad(there, 1))[1:-1, 1:-1]
        peaks = local_maxima(reconstruction(np.maximum(distance - self.depth, 0), distance)) & there
        seeds, _ = ndimage.label(peaks, np.ones((3, 3)))
        unseeded = there & ~np.isin(components, np.unique(components[peaks]))  # thinner than `depth` all over
        seeds = np.where(unseeded, components + seeds.max(), seeds)
        split = watershed(-distance, seeds, mask=there)
        numbers, dense = np.unique(split, return_inverse=True)
        return dense.reshape(split.shape).astype(np.int32), len(numbers) - int(numbers[0] == 0)


def grown(ids: NDArray[np.int32], border: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Objects with the border's pixels dealt out to the nearest of those beside it."""
    from skimage.segmentation import watershed

    away = ndimage.distance_transform_edt(ids == 0)
    return np.asarray(watershed(away, ids, mask=(ids > 0) | border), np.int32)


def described(ids: NDArray[np.uint16], place: Any, number: int, index: int, prediction: Prediction) -> Object:
    """An object's row of the table; `place`: the slices of its box."""
    rows, columns = place
    inside = ids[place] == number
    shares = prediction.probabilities
    score = None if shares is None else float(shares[index][place][inside].mean())
    box = (columns.start, rows.start, columns.stop, rows.stop)
    return Object(number, prediction.classes[index], int(inside.sum()), *box, score)
