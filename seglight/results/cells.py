"""What sets runs apart: the axes along which they differ, and cells of runs that differ in the seed alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from seglight.results.compared import ComparedRun
from seglight.values import typed

# What may differ between two runs of one cell: seeds, and what does not change what is learned.
NO_AXIS = re.compile(
    r"(^|\.)(seed|split_seed|num_workers|root|cache|cache_dir|eval_batch_size|allow_single_class)$"
    r"|^(sweep|trial|trust|predictions|resume|resume_sweep|init_source|model_name|net|logger|hydra|axes|epochs|boundary_width)\b"
    r"|^trainer\.(accelerator|devices|num_nodes|strategy|enable_|log_every|use_distributed|limit_val)"
)
BASE = "the base"  # the cell of which every other one changes one thing


@dataclass(frozen=True)
class Cell:
    """Runs that differ in the seed alone: their level on each axis, and their indices among the runs."""

    axes: dict[str, str]
    runs: list[int] = field(default_factory=list)
    name: str = ""


def run_axes(runs: Sequence[ComparedRun]) -> list[dict[str, str]]:
    """Each run's level on every axis along which these runs differ.

    Axes are the config groups, then typed keys, then any other key in which runs differ that agree in those.
    """
    configs = [run.config for run in runs]
    groups = [dict(config.get("axes") or {}) for config in configs]
    flat = [flattened(config) for config in configs]
    levels = [{key: typed(value) for key, value in group.items()} for group in groups]
    keys = {o.lstrip("+~").partition("=")[0] for run in runs for o in run.run.overrides}
    for key in sorted(key for key in keys if not NO_AXIS.search(key) and not any(key in group for group in groups)):
        for level, config in zip(levels, configs, strict=True):
            level[key] = text_of(selected(config, key))
    differing(levels)
    together: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, level in enumerate(levels):
        together[tuple(level.values())].append(at)
    more: set[str] = set()
    for members in together.values():
        known = {key for at in members for key in flat[at] if not NO_AXIS.search(key)}
        more |= {key for key in known if len({text_of(flat[at].get(key)) for at in members}) > 1}
    for key in sorted(more):
        for level, one in zip(levels, flat, strict=True):
            level[key] = text_of(one.get(key))
    return levels


def differing(levels: list[dict[str, str]]) -> None:
    """Leaves out the axes on which all runs have the same level."""
    for key in list(dict.fromkeys(key for level in levels for key in level)):
        if len({level.get(key) for level in levels}) == 1:
            for level in levels:
                level.pop(key, None)
        else:
            for level in levels:
                level.setdefault(key, "-")


def flattened(config: Any, prefix: str = "") -> dict[str, Any]:
    """Every value of a config under its whole key; lists are values."""
    if not isinstance(config, dict):
        return {prefix: config}
    return {k: v for key, value in config.items() for k, v in flattened(value, f"{prefix}.{key}".lstrip(".")).items()}


def selected(config: Mapping[str, Any], key: str) -> Any:
    """`config["a"]["b"]` for the key `a.b`; None where there is none."""
    value: Any = config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def text_of(value: Any) -> str:
    """A level as it is typed; 1 and 1.0 are the same."""
    if isinstance(value, Mapping):
        return str(yaml.safe_dump(dict(value), default_flow_style=True, width=10**6)).strip()
    return typed(int(value) if isinstance(value, float) and value.is_integer() else value)


def cells_of(runs: Sequence[ComparedRun]) -> tuple[list[Cell], list[str]]:
    """The cells in the order of their first runs, and a line for each run that repeats another's config and seed."""
    levels = run_axes(runs)
    cells: dict[tuple[str, ...], Cell] = {}
    seen: dict[tuple[Any, ...], str] = {}
    repeated = []
    for at, (run, level) in enumerate(zip(runs, levels, strict=True)):
        key = tuple(level.values())
        seed = (*key, run.seed, run.config["data"].get("seed"), run.config["data"].get("split_seed"))
        if seed in seen:
            repeated.append(f"{run.name} is left out: it repeats {seen[seed]} (same config, same seed)")
            continue
        seen[seed] = run.name
        cells.setdefault(key, Cell(level)).runs.append(at)
    names = names_of(list(cells.values()))
    return [Cell(cell.axes, cell.runs, name) for cell, name in zip(cells.values(), names, strict=True)], repeated


def names_of(cells: Sequence[Cell]) -> list[str]:
    """Each cell's levels on the axes that tell all apart; what it changes, where each changes one thing of a base."""
    base = base_of(cells)
    if base is None:
        needed = telling_apart(cells)
        return [" ".join(shown(axis, cell.axes[axis]) for axis in needed) or "all runs" for cell in cells]
    keys = [axis for axis in cells[0].axes if "." in axis and axis not in base]  # that change together with another
    base |= {axis: usual(cells, axis) for axis in keys}
    changed = [[shown(axis, cell.axes[axis]) for axis in base if cell.axes[axis] != base[axis]] for cell in cells]
    return [" ".join(change) or BASE for change in changed]


def base_of(cells: Sequence[Cell]) -> dict[str, str] | None:
    """The usual level on each axis, where a cell has all of them and every other cell all but one; null in a grid."""
    needed = telling_apart(cells)
    base = {axis: usual(cells, axis) for axis in needed}
    changes = [sum(cell.axes[axis] != level for axis, level in base.items()) for cell in cells]
    return base if len(needed) > 2 and min(changes) == 0 and max(changes) == 1 else None


def usual(cells: Sequence[Cell], axis: str) -> str:
    """The level that most cells have."""
    return Counter(cell.axes[axis] for cell in cells).most_common(1)[0][0]


def telling_apart(cells: Sequence[Cell]) -> list[str]:
    """The axes that tell all cells apart: each one that the axes before it do not decide."""
    needed: list[str] = []
    for axis in cells[0].axes if cells else ():
        decided = {tuple(cell.axes[one] for one in needed) for cell in cells}
        if len({tuple(cell.axes[one] for one in (*needed, axis)) for cell in cells}) > len(decided):
            needed.append(axis)
    return needed


def shown(axis: str, level: str) -> str:
    """A level where it is named: alone where the option says what it is."""
    return level if axis in ("model", "encoder", "decoder") else f"{axis}={level}"


def merged(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """The axes that say the same: the one to name, and all that split the cells as it does.

    A preset (`model`) that stands for one other axis gives way to it; one that stands for several is the name.
    """
    if not cells:
        return {}
    partitions: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for axis in cells[0].axes:
        first: dict[str, int] = {}
        partitions[tuple(first.setdefault(cell.axes[axis], len(first)) for cell in cells)].append(axis)
    named = {}
    for axes in partitions.values():
        others = [axis for axis in axes if axis != "model"]
        named["model" if len(others) != 1 and "model" in axes else others[0]] = axes
    return named
