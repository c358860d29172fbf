"""Seeded orders of a data set's images, of which splits, folds and nested parts are taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from seglight.data.pair import Pair
from seglight.data.progress import progress_bar
from seglight.data.workers import own_cores
from seglight.ignore import IGNORE_INDEX
from seglight.values import number, one_of, typed, whole

Classes = Mapping[str, Set[int]] | None  # in each image, by name

AHEAD = 64  # images that are looked at for the next place in an order

Unit = list[Pair]  # what stays together: an image, or all images of a group


@dataclass(frozen=True)
class Selection:
    """Which images of a data set are for training, and which are held out."""

    folds: int | None = None
    fold: int = 0
    fraction: float = 1.0
    group: str | None = None
    stratify: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds is not None and whole("data.fold", self.fold, 0) >= whole("data.folds", self.folds, 2):
            raise ValueError(f"data.fold={self.fold}: a whole number below data.folds={self.folds} is needed")
        number("data.fraction", self.fraction, 0, 1, above=True)
        one_of("data.stratify", self.stratify, (False, True))
        whole("data.split_seed", self.seed, 0)
        try:
            re.compile(self.group or "")
        except (re.error, TypeError) as error:
            raise ValueError(f"data.group={self.group}: a regular expression is needed ({error})") from None

    def refuse_unused(self, name: str | None) -> None:
        """ValueError where keys say how to divide the images of a data set, and nothing divides them."""
        for key, value in (("group", self.group), ("stratify", self.stratify), ("split_seed", self.seed)):
            if value and self.folds is None and (self.fraction == 1 or key == "stratify"):
                raise ValueError(
                    f"data.{key}={typed(value)} would change nothing: data={name} has splits of its own; data.folds=N"
                    f"{'' if key == 'stratify' else ' and data.fraction'} would divide its images; else leave it out"
                )

    def part_of_folds(self, pairs: Sequence[Pair], trains: bool, classes: Callable[[], Classes]) -> list[Pair]:
        """The fold, or what is trained on: all others."""
        assert self.folds is not None
        units = ordered(pairs, self.seed, self.group, classes())
        if len(units) < self.folds:
            raise ValueError(f"data.folds={self.folds}: there are {len(units)} images or groups to divide")
        held_out = fold_of(units, self.folds, self.fold)
        return [pair for pair in pairs if (pair.name in held_out) != trains]

    def part(self, pairs: Sequence[Pair], classes: Callable[[], Classes]) -> list[Pair]:
        """The `fraction` of the images; a smaller one is inside a larger one, and has its classes."""
        kept = first(ordered(pairs, self.seed, self.group, classes()), max(1, round(self.fraction * len(pairs))))
        return [pair for pair in pairs if pair.name in kept]


def classes_in(pairs: Sequence[Pair], reader: Any, title: str) -> dict[str, frozenset[int]]:
    """Which classes each mask holds; none where it cannot be read, which training says."""

    def one(pair: Pair) -> frozenset[int]:
        if pair.mask is None:
            return frozenset()
        try:
            held = np.flatnonzero(np.bincount(reader.mask(pair).reshape(-1), minlength=256)[:IGNORE_INDEX])
        except (ValueError, OSError):
            return frozenset()
        return frozenset(held.tolist())

    found = {}
    with progress_bar(title, len(pairs)) as advance, ThreadPoolExecutor(own_cores()) as pool:
        for pair, classes in zip(pairs, pool.map(one, pairs), strict=True):
            found[pair.name] = classes
            advance()
    return found


def ordered(pairs: Sequence[Pair], seed: int, group: str | None = None, classes: Classes = None) -> list[Unit]:
    """The images by a hash of seed and name, those of one group as one unit.

    Any part from the start is a fair sample. With `classes` (those in each image, by name) it has the classes in the
    shares of the whole, rare ones included: each time comes the next image of the class that is furthest behind.
    """
    units: dict[str, Unit] = {}
    for pair in pairs:
        units.setdefault(group_of(pair, group), []).append(pair)
    hashed = sorted(units, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())
    if classes is None:
        return [units[name] for name in hashed]
    inside = {name: frozenset().union(*(classes[pair.name] for pair in units[name])) for name in hashed}
    totals = {index: sum(index in held for held in inside.values()) for held in inside.values() for index in held}
    waiting = {index: [name for name in reversed(hashed) if index in inside[name]] for index in totals}
    taken, order = dict.fromkeys(totals, 0), dict[str, None]()
    while open_classes := [index for index in totals if taken[index] < totals[index]]:
        behind = min(open_classes, key=lambda index: (taken[index] / totals[index], totals[index], index))
        queue = waiting[behind]
        while queue[-1] in order:
            queue.pop()
        near = [name for name in queue[: -1 - AHEAD : -1] if name not in order]
        pace = (len(order) + 1) / len(hashed)
        fair = (name for name in near if all(taken[c] < pace * totals[c] for c in inside[name] - {behind}))
        name = next(fair, near[0])  # one that brings no class further ahead than its share
        order[name] = None
        for index in inside[name]:
            taken[index] += 1
    order |= dict.fromkeys(hashed)  # those without any class
    return [units[name] for name in order]


def first(units: Sequence[Unit], count: int) -> set[str]:
    """The names of the first units that have `count` images together, or more where a group is not to be cut."""
    names: set[str] = set()
    for unit in units:
        if len(names) >= count:
            break
        names |= {pair.name for pair in unit}
    return names


def fold_of(units: Sequence[Unit], folds: int, fold: int) -> set[str]:
    """The names of one of `folds` parts of nearly equal size."""
    total, start, names = sum(map(len, units)), 0, set[str]()
    for unit in units:  # any stretch of the order is a fair sample
        if start * folds // total == fold:
            names |= {pair.name for pair in unit}
        start += len(unit)
    return names


def group_of(pair: Pair, group: str | None) -> str:
    """What the regular expression finds in a pair's name: its first group, else all of it; the name without one."""
    if group is None:
        return pair.name
    match = re.search(group, pair.name)
    if match is None:
        raise ValueError(f"data.group={group}: it does not match the image name {pair.name}, which then has no group")
    return match[1] if match.re.groups else match[0]
