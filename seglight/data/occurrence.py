"""Which classes the masks of a split hold, and what is wrong where one is missing or everything is ignored."""

# Shapes: K classes

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.decode import read_mask
from seglight.data.pair import Pair
from seglight.data.workers import own_cores
from seglight.ignore import IGNORE_INDEX

LEAST, MANY = 64, 1000  # masks that are looked at in any case, and where two classes are known by then


@dataclass
class Occurrence:
    """What the masks of a split hold, or those of them that were `seen`."""

    masks: int  # of the split
    seen: int = 0
    empty: int = 0  # those whose every pixel is ignored
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))  # pixels a class
    partly_ignored: list[Pair] = field(default_factory=list)  # a few

    def add(self, pair: Pair, counts: NDArray[np.int64]) -> None:
        """Counts a mask, whose pixels a class are `counts` [256]."""
        self.seen += 1
        self.counts += counts
        self.empty += int(counts[IGNORE_INDEX] == counts.sum())
        if counts[IGNORE_INDEX] and len(self.partly_ignored) < 8:
            self.partly_ignored.append(pair)

    def missing(self, num_classes: int) -> list[int]:
        """The classes that no mask holds."""
        return np.flatnonzero(self.counts[:num_classes] == 0).tolist()  # type: ignore[no-any-return]

    def mostly_empty(self) -> bool:
        """Whether more than half of the masks ignore every pixel."""
        return 2 * self.empty > self.seen

    def enough(self, num_classes: int) -> bool:
        """Whether more masks would hardly say anything else."""
        found = num_classes - len(self.missing(num_classes))
        return not self.mostly_empty() and (
            (self.seen >= LEAST and found == num_classes) or (self.seen >= MANY and found > 1)
        )


def look(pairs: Sequence[Pair], reader: Any, num_classes: int) -> Occurrence:
    """Reads masks in a fixed random order until more would say nothing new; unreadable ones are left out."""
    labelled = [pair for pair in pairs if pair.mask is not None]
    found = Occurrence(len(labelled))
    order = np.random.default_rng(0).permutation(len(labelled)).tolist()

    def one(index: int) -> tuple[Pair, NDArray[np.int64] | None]:
        pair = labelled[index]
        try:
            return pair, np.bincount(reader.mask(pair).reshape(-1), minlength=256)
        except (ValueError, OSError):  # training names it when it comes to it
            return pair, None

    with ThreadPoolExecutor(own_cores()) as pool:
        for some in batches(order, 32):
            for pair, counts in pool.map(one, some):
                if counts is not None:
                    found.add(pair, counts)
            if found.enough(num_classes):
                break
    return found


def batches(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def fault(found: Occurrence, classes: Sequence[str], where: str) -> str | None:
    """Why nothing can be learned from these masks; None where something can."""
    if found.seen and found.mostly_empty():
        return (
            f"{where}: {found.empty} of {found.seen} masks ignore every pixel, more than half; "
            f"{likely(found, classes) or 'look at the class table and the masks'}"
        )
    missing = found.missing(len(classes))
    if found.seen and len(classes) - len(missing) == 1:
        left = next(name for index, name in enumerate(classes) if index not in missing)
        return f"{where}: a single class is left, {left}; {share_ignored(found)}{never(missing, classes)}" + (
            f"; {advice}" if (advice := likely(found, classes)) else ""
        )
    return None


def remark(found: Occurrence, classes: Sequence[str], where: str) -> str | None:
    """What to say of classes that never occur, and of masks that ignore everything."""
    parts = []
    if found.seen and (missing := found.missing(len(classes))):
        extent = "" if found.seen == found.masks else f" in the {found.seen:,} of {found.masks:,} masks looked at"
        parts.append(f"{share_ignored(found)}{never(missing, classes)}{extent}")
        if advice := likely(found, classes):
            parts.append(advice)
    if found.empty:
        parts.append(f"{found.empty} of {found.seen} masks ignore every pixel")
    return f"{where}: {'; '.join(parts)}" if parts else None


def share_ignored(found: Occurrence) -> str:
    share = found.counts[IGNORE_INDEX] / max(1, found.counts.sum())
    return f"{share:.0%} of the pixels are {IGNORE_INDEX} and ignored, " if share >= 0.005 else ""


def never(missing: Sequence[int], classes: Sequence[str]) -> str:
    named = ", ".join(classes[index] for index in missing[:8]) + (", ..." if len(missing) > 8 else "")
    return f"class {named} never occurs" if len(missing) == 1 else f"{len(missing)} classes never occur: {named}"


def likely(found: Occurrence, classes: Sequence[str]) -> str | None:
    """What the class table should say, where masks store 0 and 255 and 255 is not meant to be ignored."""
    values: set[int] = set()
    for pair in found.partly_ignored:
        assert pair.mask is not None
        try:
            stored = read_mask(pair.mask, pair.frame)
        except (ValueError, OSError):
            return None
        if stored.ndim != 2:
            return None
        values |= {int(value) for value in np.unique(stored)}
    missing = found.missing(len(classes))
    if values != {0, IGNORE_INDEX} or not missing:
        return None
    name = classes[missing[0]] if len(missing) == 1 else classes[-1]
    return f"masks look like 0/255: use {{name: {name}, id: {IGNORE_INDEX}}} in the class table"
