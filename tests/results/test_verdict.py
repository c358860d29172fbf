"""The verdict says what the numbers say, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seglight.results.comparison import Comparison, compare

Scored = Callable[..., Path]


def compared(tmp_path: Path, **settings: object) -> Comparison:
    return compare(tmp_path, resamples=1000, **settings)  # type: ignore[arg-type]


def numbers(sentence: str) -> list[float]:
    return [float(text) for text in re.findall(r"-?\d+\.\d", sentence)]


def test_a_clear_winner_with_seeds_is_named_with_by_how_much_and_where(scored_run: Scored, tmp_path: Path) -> None:
    for seed in range(3):
        for skips, skill in (("none", 0.6), ("add8", 0.7)):
            for freeze, less, seconds in (("none", 0, 100.0), ("encoder", 0.05, 50.0)):
                scored_run(f"{skips}-{freeze}-{seed}", skill - less, seed, skips=skips, freeze=freeze,
                           summary={"train_seconds": seconds})  # fmt: skip
    found = compared(tmp_path)
    first, *rest = found.verdict
    assert 3 <= len(found.verdict) <= 6
    assert first.startswith("skips=add8 freeze=none is the best of 4 cells: mIoU ")
    assert found.best == ["add8-none-0", "add8-none-1", "add8-none-2"]
    skips = next(line for line in rest if line.startswith("skips=add8 gains"))
    effect = next(effect for effect in found.effects if effect.contrast.axes == ("skips",))
    assert numbers(skips)[:3] == [round(100 * value, 1) for value in (effect.value, effect.low, effect.high)]
    assert "60 % of the pixels it mends lie at boundaries, most for " in skips
    freeze = next(line for line in rest if line.startswith("freeze=encoder costs"))
    assert "with 50 % less training time" in freeze
    assert rest[-1].startswith(
        "The intervals cover images and seeds, at 95 % for all cells together; seeds move a run by"
    )


def test_an_effect_names_what_changes_with_its_axis(scored_run: Scored, tmp_path: Path) -> None:
    """freeze=probe picks its decoder: what it costs is not what freezing costs."""
    for seed in range(2):
        for freeze, decoder, skill in (("none", "fcn", 0.8), ("encoder", "fcn", 0.78), ("probe", "linear", 0.6)):
            scored_run(f"{freeze}-{seed}", skill, seed, freeze=freeze, decoder=decoder)
    sentence = next(line for line in compared(tmp_path).verdict if line.startswith("freeze=probe costs"))
    assert "against freeze=none (which changes decoder too)" in sentence


def test_a_class_that_one_run_lacks_has_no_spread_between_seeds(scored_run: Scored, tmp_path: Path) -> None:
    for seed in range(2):
        for skips in ("none", "add8"):
            path = scored_run(f"{skips}-{seed}", 0.7, seed, skips=skips) / "scores" / "shapes_val.npz"
            with np.load(path) as file:
                counts = dict(file)
            for what in ("gt", "tp", "pred"):  # no pixel of disc, but where seed 1 of add8 invents one
                counts[what][:, 1] = 0
            counts["pred"][0, 1] = int((skips, seed) == ("add8", 1))
            np.savez_compressed(path, **counts)
    name = np.load(path)["classes"][1]
    found = compared(tmp_path, score=f"iou/{name}")
    found.write(tmp_path / "page")
    cells = json.loads((tmp_path / "page" / "compare.json").read_text())["cells"]
    assert [cell["seed_sd"] for cell in cells] == [None, None]


def test_one_seed_a_cell_names_no_winner_beyond_the_trained_networks(scored_run: Scored, tmp_path: Path) -> None:
    scored_run("a", 0.6, skips="none")
    scored_run("b", 0.7, skips="add8")
    found = compared(tmp_path)
    assert found.verdict[0].startswith("On these trained networks skips=add8 scores highest of 2 cells")
    assert "Every cell has one seed" in found.verdict[-1]
    assert "no cell is named the winner" in found.verdict[-1]
    assert not any("best" in sentence for sentence in found.verdict)


def test_runs_that_differ_in_the_seed_alone_are_no_winner_and_loser(scored_run: Scored, tmp_path: Path) -> None:
    scored_run("a", 0.6, seed=0)
    scored_run("b", 0.8, seed=1)
    found = compared(tmp_path)
    assert sorted(found.best) == ["a", "b"]
    assert found.verdict[0].startswith("The 2 runs differ in the seed alone, so none of them is better than another")


def test_cells_as_good_as_each_other_cannot_be_told_apart(scored_run: Scored, tmp_path: Path) -> None:
    for seed in range(2):
        for skips in ("none", "add8"):
            scored_run(f"{skips}-{seed}", 0.7, seed, skips=skips, summary={"params": 5e6 if skips == "none" else 9e6})
        scored_run(f"bad-{seed}", 0.4, seed, skips="add16")
    found = compared(tmp_path)
    first = found.verdict[0]
    assert "cannot be told apart (2 of 3 cells)" in first
    low, high = numbers(first)[-2:]
    assert low < 0 < high
    assert any("beats skips=add16, by" in sentence for sentence in found.verdict)
    assert any("skips=none is the cheapest: 5.0 M parameters, against up to 9.0 M" in s for s in found.verdict)
    assert len(found.best) == 4


def test_a_single_run_has_its_score_and_nothing_to_be_compared_with(scored_run: Scored, tmp_path: Path) -> None:
    scored_run("only")
    found = compared(tmp_path)
    assert "there is no other run beside it" in found.verdict[0]
    assert "One seed does not say" in found.verdict[-1]


def test_the_learning_curve_is_told_as_an_expectation(scored_run: Scored, tmp_path: Path) -> None:
    for seed in range(2):
        for fraction, skill in (("0.25", 0.5), ("0.5", 0.6), ("1.0", 0.65)):
            scored_run(f"{fraction}-{seed}", skill, seed, [f"data.fraction={fraction}"])
    assert any(s.startswith("Twice as many training images are expected to bring") for s in compared(tmp_path).verdict)


def test_scores_that_fall_with_more_images_foretell_nothing(scored_run: Scored, tmp_path: Path) -> None:
    for part, skill in ((0.25, 0.7), (0.5, 0.8), (1.0, 0.75)):
        scored_run(f"{part}", skill, typed=[f"data.fraction={part}"], noise=0)
    said = compared(tmp_path).verdict
    assert not any("are expected to bring" in sentence for sentence in said)
    assert any(s.startswith("data.fraction=0.5 scores ") and "cannot be read from that" in s for s in said)


def test_an_unknown_score_is_refused_with_those_there_are(scored_run: Scored, tmp_path: Path) -> None:
    scored_run("a")
    with pytest.raises(ValueError, match=r"score=iou/cat: one of miou, pixel_acc, mean_acc, fw_iou or iou/<class>"):
        compared(tmp_path, score="iou/cat")
    assert compared(tmp_path, score="iou/disc").verdict[0].startswith("a has iou/disc")
