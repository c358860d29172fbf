"""Checks of single values, where they are declared: ValueError says `key=value: ... is needed`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def whole(key: str, value: Any, least: int = 1, of: str = "", note: str = "") -> int:
    """`value`, which must be a whole number from `least`, `of` epochs or whatever it counts."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        counted = f" of {of}" if of else ""
        raise ValueError(f"{key}={typed(value)}: a whole number{counted} from {least}{note} is needed")
    return value


def number(
    key: str, value: Any, least: float = 0, most: float = math.inf, above: bool = False, below: bool = False
) -> float:
    """`value`, which must be a finite number from `least` (`above`: greater) to `most` (`below`: smaller)."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not real or not least <= value <= most or (above and value == least) or (below and value == most):
        high = "" if most == math.inf else f" and {'below' if below else 'at most'} {most:g}"
        raise ValueError(f"{key}={typed(value)}: a number {'above' if above else 'from'} {least:g}{high} is needed")
    return value  # type: ignore[no-any-return]


def one_of(key: str, value: Any, known: Iterable[Any]) -> Any:
    """`value`, which must be one of `known`."""
    known = list(known)
    if not any(type(value) is type(one) and value == one for one in known):
        raise ValueError(f"{key}={typed(value)}: one of {', '.join(map(typed, known))} is needed")
    return value


def shortened(names: Iterable[Any], shown: int = 6) -> str:
    """The first names, and how many there are."""
    names = list(names)
    return ", ".join(names[:shown]) + (f", ... ({len(names)})" if len(names) > shown else "")


def typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(typed, value))}]"
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
