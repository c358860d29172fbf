"""Runs that differ in the seed alone are one cell; whatever else differs is an axis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from seglight.results.cells import Cell, cells_of, merged, names_of
from seglight.results.compared import read_runs
from seglight.runs.run import Run

Scored = Callable[..., Path]


def cells(*paths: Path) -> tuple[list[Cell], list[str]]:
    return cells_of(read_runs([Run(path) for path in paths])[0])


def test_groups_and_typed_keys_are_axes_and_the_seed_is_none(scored_run: Scored) -> None:
    found, repeated = cells(
        scored_run("0", skips="none", typed=["optim.lr=0.1"], seed=0),
        scored_run("1", skips="none", typed=["optim.lr=0.1"], seed=1),
        scored_run("2", skips="add8", typed=["optim.lr=0.1"], seed=0),
        scored_run("3", skips="add8", typed=[], seed=0),  # the rate of the config
    )
    assert [cell.runs for cell in found] == [[0, 1], [2], [3]]
    assert found[0].axes == {"skips": "none", "optim.lr": "0.1"}
    assert found[0].name == "skips=none optim.lr=0.1"
    assert found[2].axes["optim.lr"] == "0.004"
    assert repeated == []


def test_a_difference_that_nobody_typed_still_makes_two_cells(scored_run: Scored) -> None:
    one, other = scored_run("0"), scored_run("1", seed=1)
    config = Run(other).cfg
    config.data.crop_size = 48  # as from another version's defaults
    Run(other).write_yaml("config.yaml", config)
    found, _ = cells(one, other)
    assert [cell.axes for cell in found] == [{"data.crop_size": "64"}, {"data.crop_size": "48"}]


def test_the_same_config_and_seed_twice_counts_once(scored_run: Scored) -> None:
    found, repeated = cells(scored_run("0", seed=3), scored_run("1", seed=3))
    assert [cell.runs for cell in found] == [[0]]
    assert repeated == ["1 is left out: it repeats 0 (same config, same seed)"] or "repeats" in repeated[0]


def test_one_change_at_a_time_is_named_by_the_change(scored_run: Scored) -> None:
    changes = ["data.batch_size=2", "optim.weight_decay=1", "trainer.max_epochs=2", "loss=dice"]
    typed = [[change] if "." in change else [] for change in changes]
    runs = [
        scored_run(str(i), typed=one, loss=change.removeprefix("loss=") if not one else "ce")
        for i, (change, one) in enumerate(zip(changes, typed, strict=True))
    ]
    found, _ = cells(scored_run("base", loss="ce"), *runs)
    assert sorted(cell.name for cell in found[1:]) == sorted(changes)
    assert found[0].name == "the base"


def test_keys_that_change_together_are_both_named() -> None:
    rows = [
        ("ce", "8", "0.3", "0.003"),
        ("dice", "8", "0.3", "0.003"),
        ("ce", "4", "0.3", "0.003"),
        ("ce", "8", "1", "0.1"),
    ]
    axes = ("loss", "data.batch_size", "optim.encoder_lr", "optim.lr")
    names = names_of([Cell(dict(zip(axes, row, strict=True))) for row in rows])
    assert names == ["the base", "loss=dice", "data.batch_size=4", "optim.encoder_lr=1 optim.lr=0.1"]


def test_a_grid_has_no_base() -> None:
    grid = [Cell({"loss": a, "skips": b, "optim": c}) for a in "xy" for b in "xy" for c in "xy"]
    assert names_of(grid)[0] == "loss=x skips=x optim=x"


def test_1_and_1_0_are_one_level(scored_run: Scored) -> None:
    found, _ = cells(
        scored_run("0", typed=["optim.weight_decay=1"]), scored_run("1", typed=["optim.weight_decay=1.0"], seed=1)
    )
    assert [cell.name for cell in found] == ["all runs"]


def test_a_preset_gives_way_to_the_one_axis_that_it_stands_for() -> None:
    rows = [("fcn32s", "none", "fcn"), ("fcn16s", "add16", "fcn"), ("fcn8s", "add8", "fcn")]
    fcns = [Cell(dict(zip(("model", "skips", "decoder"), row, strict=True))) for row in rows]
    assert merged(fcns)["skips"] == ["model", "skips"]
    presets = [
        Cell({"model": m, "skips": s, "decoder": d})
        for m, s, d in (("fcn8s", "add8", "fcn"), ("unet", "concat", "unet"))
    ]
    assert list(merged(presets)) == ["model"]
