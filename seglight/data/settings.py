"""Checks of settings that data sets alone have, in the form of `seglight.values`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from seglight.values import typed


def known_split(split: str, splits: Sequence[str], name: str | None) -> None:
    """ValueError names those that the data set has."""
    if split not in splits:
        raise ValueError(f"data.split={split}; data={name} has {', '.join(splits)}")


def crop_size(value: Any) -> tuple[int, int]:
    """(h, w) of a crop, from one number for both or [h, w]."""
    sides = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value, value]
    if len(sides) != 2 or any(isinstance(side, bool) or not isinstance(side, int) or side < 1 for side in sides):
        raise ValueError(
            f"data.crop_size={typed(value)}: a whole number of pixels from 1, or [height, width], is needed"
        )
    return sides[0], sides[1]


def scale_range(value: Any) -> tuple[float, float]:
    """The smallest and the largest factor that images are scaled by."""
    ends = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    if len(ends) != 2 or not numbers or not 0 < ends[0] <= ends[1] < float("inf"):
        raise ValueError(f"data.scale={typed(value)}: [smallest, largest] is needed, above 0, such as [0.5, 2.0]")
    return float(ends[0]), float(ends[1])


def class_indices(value: Any, classes: Sequence[str]) -> tuple[int, ...]:
    """The indices of classes that are named or numbered."""
    given = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    for one in given:
        index = isinstance(one, int) and not isinstance(one, bool) and 0 <= one < len(classes)
        if not index and one not in classes:
            raise ValueError(
                f"data.rare_classes={typed(value)}: {one} is no class; a list of names or of indices 0 to "
                f"{len(classes) - 1} is needed: {', '.join(classes)}"
            )
    return tuple(classes.index(one) if isinstance(one, str) else one for one in given)


def refuse_unknown(unknown: Mapping[str, Any], kind: type, name: str) -> None:
    """ValueError for a key that no `__init__` of a data set's classes takes."""
    for key, value in unknown.items():
        known = {
            parameter.name
            for part in kind.__mro__
            if "__init__" in vars(part)
            for parameter in inspect.signature(vars(part)["__init__"]).parameters.values()
            if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) and parameter.name != "self"
        }
        close = difflib.get_close_matches(key, known, 1)
        hint = f"; did you mean data.{close[0]}?" if close else f"; its keys are {', '.join(sorted(known))}"
        raise ValueError(f"data.{key}={typed(value)}: data={name} has no such key{hint}")
