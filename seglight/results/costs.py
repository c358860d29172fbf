"""What cells cost, which are worth it, and queries such as `latency_ms<20`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seglight.results.compared import ComparedRun

# What summary.json holds, in words and units; latency_ms once `python -m seglight.latency` has measured it
COSTS = {
    "params": "parameters",
    "trainable_params": "trained parameters",
    "gflops": "GFLOPs of 512 x 512 pixels",
    "latency_ms": "ms an image",
    "train_seconds": "seconds of training",
    "peak_memory_mb": "MB at the peak",
}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
    "=": operator.eq,
}  # fmt: skip
CONDITION = re.compile(r"\s*([\w./+-]+)\s*(<=|>=|==|!=|<|>|=)\s*([^<>=!]+?)\s*")


def costs_of(run: ComparedRun) -> dict[str, float]:
    """The costs that a run knows."""
    return {key: float(run.summary[key]) for key in COSTS if isinstance(run.summary.get(key), int | float)}


def conditions_of(where: str) -> list[tuple[str, str, str]]:
    """Key, sign and value of each condition. ValueError where a text is none."""
    matches = [CONDITION.fullmatch(text) for text in re.split(r"\s+and\s+|,", where)]
    if None in matches:
        raise ValueError(f"where={where}: expected conditions such as latency_ms<20, joined by `and`")
    return [(match[1], match[2], match[3].strip("'\"")) for match in matches if match is not None]


def satisfying(where: str, values: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The rows that meet `where`, and a line for those that lack a value it asks for.

    where: conditions joined by `and`: `latency_ms<20 and encoder=resnet18`. ValueError for a key that no row has.
    """
    conditions = []
    known = sorted({key for row in values for key in row})
    for key, sign, value in conditions_of(where):
        if key not in known:
            raise ValueError(f"where={where}: no run knows {key}; what they know: {', '.join(known)}")
        if sign not in ("=", "==", "!=") and number(value) is None:
            raise ValueError(f"where={where}: {key}{sign} needs a number")
        conditions.append((key, OPERATORS[sign], value))
    unknown = [name for row, name in zip(values, names, strict=True) if any(key not in row for key, _, _ in conditions)]
    kept = [
        at for at, row in enumerate(values)
        if all(key in row and met(row[key], sign, value) for key, sign, value in conditions)
    ]  # fmt: skip
    told = [f"{name} is left out: it does not know what where={where} asks for" for name in unknown]
    return kept, told


def values_asked(where: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """What the keys that `where` names are in these runs: `miou is 0.505 to 0.523`."""
    said = []
    for key, _, _ in conditions_of(where):
        have = [row[key] for row in rows if key in row]
        numbers = [value for value in map(number, have) if value is not None]
        if numbers:
            said.append(f"{key} is {min(numbers):g} to {max(numbers):g}")
        else:
            said.append(f"{key} is {', '.join(sorted({str(value) for value in have}))}")
    return "; ".join(said)


def number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def met(have: Any, sign: Callable[[Any, Any], bool], value: str) -> bool:
    """Compared as numbers where both are, else as text."""
    left, right = number(have), number(value)
    if left is not None and right is not None:
        return sign(left, right)
    return sign in (operator.eq, operator.ne) and sign(str(have), value)


def pareto(costs: Sequence[float | None], scores: Sequence[float]) -> list[int]:
    """The front: which cells have no other that costs no more and scores no less; cheapest first."""
    known = [(cost, -score, at) for at, (cost, score) in enumerate(zip(costs, scores, strict=True)) if cost is not None]
    front, best = [], -np.inf
    for _, negative, at in sorted(known):
        if -negative > best:
            front.append(at)
            best = -negative
    return front
