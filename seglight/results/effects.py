"""What each axis does: cells that differ in it alone, compared in pairs; and where two axes depend on each other."""

# Shapes: C cells, P contrasts

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from seglight.results.cells import Cell, merged
from seglight.results.estimate import Estimate

Array = NDArray[np.float64]
FEW = 4  # levels of an axis of which all pairs are compared; of more, each with the first
MOST = 400  # interactions that are looked at


@dataclass(frozen=True)
class Contrast:
    """Which cells are added and subtracted, `weights` [C]; `pairs` says how many comparisons it averages."""

    axes: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]  # of each axis: from, to
    pairs: tuple[tuple[int, int], ...]  # of cells: from, to
    weights: Array


@dataclass(frozen=True)
class Effect:
    """The mean difference of a contrast; `low` and `high` hold for all effects together at 95 %."""

    contrast: Contrast
    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def effects(cells: Sequence[Cell], estimate: Estimate) -> list[Effect]:
    """Every pair of levels of every axis that some cells allow to compare with all else equal."""
    return estimated(list(axis_contrasts(cells)), estimate)


def interactions(cells: Sequence[Cell], estimate: Estimate) -> list[Effect]:
    """How much more a change along one axis brings where another one is changed too; the clear ones, largest first."""
    found = estimated(list(interaction_contrasts(cells))[:MOST], estimate)
    return sorted((effect for effect in found if effect.clear), key=lambda effect: -abs(effect.value))


def estimated(contrasts: list[Contrast], estimate: Estimate) -> list[Effect]:
    """Contrasts with intervals that hold together."""
    if not contrasts:
        return []
    found = estimate.contrasts(np.array([contrast.weights for contrast in contrasts]))
    numbers = zip(found.value.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return [Effect(contrast, *three) for contrast, three in zip(contrasts, numbers, strict=True)]


def held_equal(cells: Sequence[Cell], changed: Sequence[str]) -> list[str]:
    """The axes that are to be the same on both sides: all but those which `changed` decides."""
    held = []
    for axis in merged(cells):
        if axis in changed:
            continue
        levels: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for cell in cells:
            levels[tuple(cell.axes[one] for one in changed)].add(cell.axes[axis])
        if any(len(found) > 1 for found in levels.values()):
            held.append(axis)
    return held


def changed_along(cells: Sequence[Cell], effect: Effect) -> list[str]:
    """The axes that differ within an effect's pairs although they are not its own: those that its axis decides."""
    own = set(effect.contrast.axes)  # and what always changes together, but for single keys
    own |= {name for axis in effect.contrast.axes for name in merged(cells).get(axis, []) if "." not in name}
    pairs = effect.contrast.pairs
    return [
        axis for axis in cells[0].axes
        if axis not in own and any(cells[pair[0]].axes[axis] != cells[pair[1]].axes[axis] for pair in pairs)
    ]  # fmt: skip


def level_pairs(cells: Sequence[Cell], axis: str) -> list[tuple[str, str]]:
    """Which levels are compared: from, to."""
    levels = list(dict.fromkeys(cell.axes[axis] for cell in cells))
    levels.sort(key=lambda level: level not in ("none", "null"))  # what is added is compared with nothing
    return list(combinations(levels, 2)) if len(levels) <= FEW else [(levels[0], level) for level in levels[1:]]


def axis_contrasts(cells: Sequence[Cell]) -> Iterator[Contrast]:
    for axis in merged(cells):
        held = held_equal(cells, [axis])
        at = {(cell.axes[axis], *(cell.axes[one] for one in held)): number for number, cell in enumerate(cells)}
        others = list(dict.fromkeys(key[1:] for key in at))
        for low, high in level_pairs(cells, axis):
            pairs = [(at[low, *o], at[high, *o]) for o in others if (low, *o) in at and (high, *o) in at]
            if pairs:
                yield Contrast((axis,), ((low, high),), tuple(pairs), weights_of(len(cells), pairs))


def interaction_contrasts(cells: Sequence[Cell]) -> Iterator[Contrast]:
    for first, second in combinations(merged(cells), 2):
        held = held_equal(cells, [first, second])
        at = {
            (cell.axes[first], cell.axes[second], *(cell.axes[one] for one in held)): number
            for number, cell in enumerate(cells)
        }
        others = list(dict.fromkeys(key[2:] for key in at))
        for a, b in level_pairs(cells, first):
            for x, y in level_pairs(cells, second):
                squares = [[at.get((i, j, *o)) for i, j in ((a, x), (b, x), (a, y), (b, y))] for o in others]
                full = [[cell for cell in square if cell is not None] for square in squares]
                full = [square for square in full if len(square) == 4]
                if full:
                    plus = [(s[2], s[3]) for s in full]
                    minus = [(s[0], s[1]) for s in full]
                    weights = weights_of(len(cells), plus) - weights_of(len(cells), minus)
                    yield Contrast((first, second), ((a, b), (x, y)), tuple(plus), weights)


def weights_of(cells: int, pairs: Sequence[tuple[int, int]]) -> Array:
    """The mean over pairs of the second cell less the first."""
    weights = np.zeros(cells)
    for before, after in pairs:
        weights[after] += 1 / len(pairs)
        weights[before] -= 1 / len(pairs)
    return weights
