"""Seeded orders of a data set's images, of which splits, folds and nested parts are taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence, Set

from seglight.data.pair import Pair

Unit = list[Pair]  # what stays together: an image, or all images of a group


def ordered(
    pairs: Sequence[Pair], seed: int, group: str | None = None, classes: Mapping[str, Set[int]] | None = None
) -> list[Unit]:
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
        behind = min(open_classes, key=lambda index: ((taken[index] + 1) / totals[index], totals[index], index))
        while (name := waiting[behind].pop()) in order:
            pass
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
    sizes, names = [0] * folds, set[str]()
    for unit in units:
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(unit)
        if smallest == fold:
            names |= {pair.name for pair in unit}
    return names


def group_of(pair: Pair, group: str | None) -> str:
    """What the regular expression finds in a pair's name: its first group, else all of it; the name without one."""
    if group is None:
        return pair.name
    match = re.search(group, pair.name)
    if match is None:
        raise ValueError(f"data.group={group}: it does not match the image name {pair.name}, which then has no group")
    return match[1] if match.re.groups else match[0]
