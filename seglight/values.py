"""Checks of single values, where they are declared: ValueError says key=value and what is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def whole(key: str, value: Any, least: int = 0, of: str = "", note: str = "") -> None:
    """`value` must be a whole number from `least`, `of` epochs or whatever it counts."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        counted = f" of {of}" if of else ""
        raise ValueError(f"{key}={typed(value)}: a whole number{counted} from {least}{note} is needed")


def number(key: str, value: Any, least: float = 0, most: float = math.inf, above: bool = False) -> None:
    """`value` must be a finite number from `least` (`above`: greater than it) to `most`."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not least <= value <= most or (above and value == least):
        span = f"{'above' if above else 'from'} {least:g}" + (f" and at most {most:g}" if most < math.inf else "")
        raise ValueError(f"{key}={typed(value)}: a number {span} is needed")


def one_of(key: str, value: Any, known: Sequence[Any]) -> None:
    """`value` must be one of `known`."""
    if not any(value is x or (isinstance(value, str) and value == x) for x in known):
        raise ValueError(f"{key}={typed(value)}: one of {', '.join(map(typed, known))} is needed")


def typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
