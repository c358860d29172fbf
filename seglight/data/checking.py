"""Reads every pair of a data set and says what is wrong with it, before a long run does."""

# Shapes: H W pixels, K classes

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.likeness import alike, look_hash
from seglight.data.listing import refuse_twice
from seglight.data.occurrence import Occurrence
from seglight.data.pair import Pair
from seglight.data.reader import Reader
from seglight.data.workers import available_cores
from seglight.ignore import IGNORE_INDEX


@dataclass(frozen=True)
class Reading:
    """What one pair is: its size, its pixels a class [256], a digest and a hash of its image; or what is wrong."""

    pair: Pair
    size: tuple[int, int] = (0, 0)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    digest: bytes = b""
    looks: NDArray[np.uint64] | None = None
    problem: str | None = None


@dataclass
class SplitReport:
    """A split, read whole."""

    split: str
    readings: list[Reading]
    problems: list[str]

    @property
    def good(self) -> list[Reading]:
        return [reading for reading in self.readings if reading.problem is None]

    def pixels(self, num_classes: int) -> NDArray[np.int64]:
        """Pixels of each class [K]."""
        total = sum((reading.counts for reading in self.good), np.zeros(256, np.int64))
        return np.asarray(total[:num_classes], np.int64)

    def images(self, num_classes: int) -> NDArray[np.int64]:
        """Images that have each class [K]."""
        present = sum((reading.counts > 0 for reading in self.good), np.zeros(256, np.int64))
        return np.asarray(present[:num_classes], np.int64)

    def occurrence(self) -> Occurrence:
        """What all its masks hold."""
        labelled = [reading for reading in self.good if reading.pair.mask is not None]
        found = Occurrence(len(labelled))
        for reading in labelled:
            found.add(reading.pair, reading.counts)
        return found

    def ignored(self) -> int:
        """Pixels that are not scored."""
        return int(sum(reading.counts[IGNORE_INDEX] for reading in self.good))


def read_split(split: str, pairs: Sequence[Pair], reader: Reader, done: Callable[[], Any]) -> SplitReport:
    """Reads every pair on all cores; `done` is called after each."""

    def one(pair: Pair) -> Reading:
        try:
            return read_pair(pair, reader)
        finally:
            done()

    problems = []
    try:
        refuse_twice([pair.name for pair in pairs], f"split {split}")
    except ValueError as error:
        problems.append(str(error))
    if not pairs:
        problems.append(f"split {split}: no images; expected at least one")
    with ThreadPoolExecutor(available_cores()) as pool:  # decoding releases the interpreter lock
        readings = list(pool.map(one, pairs))
    problems += [reading.problem for reading in readings if reading.problem is not None]
    return SplitReport(split, readings, problems)


def read_pair(pair: Pair, reader: Reader) -> Reading:
    """One pair, decoded and counted."""
    try:
        image, mask = reader(pair)
    except (ValueError, OSError) as error:
        return Reading(pair, problem=str(error))
    counts = np.bincount(mask.reshape(-1), minlength=256)
    digest = hashlib.blake2b(image.tobytes(), digest_size=16, salt=str(image.shape[:2]).encode()[:16])
    return Reading(pair, (image.shape[0], image.shape[1]), counts, digest.digest(), look_hash(image))


def duplicates(reports: Iterable[SplitReport]) -> list[str]:
    """Images that are in two splits, or twice in one: a score on them says nothing, or counts them twice."""
    first: dict[bytes, tuple[str, Pair]] = {}
    found = []
    for report in reports:
        for reading in report.readings:
            if not reading.digest:
                continue
            split, pair = first.setdefault(reading.digest, (report.split, reading.pair))
            if (split, pair) != (report.split, reading.pair):
                found.append(
                    f"{reading.pair.image} ({report.split}): the same image as {pair.image} ({split}); expected once"
                )
    return found


def nearly_equal(reports: Sequence[SplitReport]) -> list[tuple[str, str]]:
    """Images of two splits that look alike and are not equal, such as one photo stored twice: the paths of both."""
    found = []
    for first, second in combinations(reports, 2):
        theirs, others = (
            [reading for reading in report.good if reading.looks is not None] for report in (first, second)
        )
        hashes = (np.array([reading.looks for reading in some], np.uint64).reshape(-1, 4) for some in (theirs, others))
        for index, other in alike(*hashes):
            one, two = theirs[index], others[other]
            if one.digest != two.digest and one.pair.image != two.pair.image:
                found.append((f"{one.pair.image} ({first.split})", f"{two.pair.image} ({second.split})"))
    return found


def median_frequency_weights(pixels: NDArray[np.int64], readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Class weights [K]: the median of the classes' frequencies over each one's own (Eigen and Fergus 2015, 6.3.2).

    A class's frequency is its share of the labelled pixels of the images that have it; absent classes are NaN.
    """
    num_classes = len(pixels)
    seen = np.zeros(num_classes, np.float64)
    for reading in readings:
        counts = reading.counts[:num_classes]
        seen[counts > 0] += counts.sum()
    frequency = np.full(num_classes, np.nan)
    np.divide(pixels, seen, out=frequency, where=seen > 0)
    return np.asarray(np.nanmedian(frequency) / frequency) if (seen > 0).any() else frequency
