"""The effect of an axis compares cells that differ in nothing else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from seglight.results.cells import Cell
from seglight.results.effects import changed_along, effects, interactions
from seglight.results.estimate import Estimate


def estimate(values: list[float]) -> Estimate:
    """Cells of one run each, whose scores are known but for 0.001."""
    point = np.array(values)
    draws = point + np.random.default_rng(0).normal(0, 0.001, (2000, len(values)))
    return Estimate.of(point, draws, [[at] for at in range(len(values))], np.random.default_rng(0))


def grid(**levels: tuple[str, ...]) -> list[Cell]:
    return [Cell(dict(zip(levels, row, strict=True))) for row in product(*levels.values())]


def told(found: list) -> dict[tuple, float]:
    return {(*effect.contrast.axes, *effect.contrast.levels): round(effect.value, 6) for effect in found}


def test_an_effect_is_the_mean_difference_with_all_else_equal() -> None:
    cells = grid(skips=("none", "add8"), freeze=("none", "encoder"))
    found = effects(cells, estimate([0.50, 0.48, 0.53, 0.49]))
    assert told(found) == {
        ("skips", ("none", "add8")): pytest.approx((0.03 + 0.01) / 2),
        ("freeze", ("none", "encoder")): pytest.approx((-0.02 - 0.04) / 2),
    }
    assert all(effect.low < effect.value < effect.high and effect.clear for effect in found)


def test_cells_without_a_counterpart_are_left_out_of_an_effect() -> None:
    cells = grid(skips=("none", "add8"), freeze=("none", "encoder"))[:3]
    (skips, freeze) = effects(cells, estimate([0.5, 0.4, 0.6]))
    assert skips.contrast.pairs == ((0, 2),)
    assert freeze.contrast.pairs == ((0, 1),)


def test_axes_that_always_change_together_are_one_effect_and_never_held_equal() -> None:
    cells = [Cell({"model": m, "skips": s}) for m, s in (("fcn32s", "none"), ("fcn8s", "add8"))]
    assert told(effects(cells, estimate([0.5, 0.6]))) == {("skips", ("none", "add8")): pytest.approx(0.1)}


def test_a_key_that_changes_with_another_is_said_and_a_preset_is_not() -> None:
    rows = [("fcn8s", "add8", "3e-3", "0.3"), ("fcn8s", "add8", "1e-3", "1"), ("fcn32s", "none", "3e-3", "0.3")]
    cells = [Cell(dict(zip(("model", "skips", "optim.lr", "optim.encoder_lr"), row, strict=True))) for row in rows]
    found = {effect.contrast.axes[0]: effect for effect in effects(cells, estimate([0.5, 0.4, 0.3]))}
    assert changed_along(cells, found["optim.lr"]) == ["optim.encoder_lr"]
    assert changed_along(cells, found["skips"]) == []


def test_an_interaction_is_named_where_it_is_clear_and_only_there() -> None:
    cells = grid(skips=("none", "add8"), freeze=("none", "encoder"))
    assert interactions(cells, estimate([0.50, 0.45, 0.53, 0.48])) == []
    (found,) = interactions(cells, estimate([0.50, 0.45, 0.53, 0.50]))
    assert found.value == pytest.approx(0.02)  # add8 brings 5 with a frozen encoder, 3 without
