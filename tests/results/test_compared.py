"""Only runs that were scored on the same images are compared; every other one is named with what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seglight.results.compared import find_runs, read_runs, refuse_different
from seglight.runs.run import Run

Scored = Callable[..., Path]


def test_runs_are_found_in_folders_globs_and_folders_of_sweeps(scored_run: Scored, tmp_path: Path) -> None:
    for place in ("day/0", "day/1", "night/10", "night/9", "single"):
        scored_run(place)
    nested = tmp_path / "single" / "wandb" / "files"
    nested.mkdir(parents=True)
    shutil.copy(tmp_path / "single" / "config.yaml", nested)  # as W&B keeps one in a run's folder

    def names(*places: str) -> list[str]:
        return [run.path.relative_to(tmp_path).as_posix() for run in find_runs([tmp_path / place for place in places])]

    assert names("single") == ["single"]
    assert names("night") == ["night/9", "night/10"]
    assert names(".") == ["single", "day/0", "day/1", "night/9", "night/10"]
    assert names("d*", "day/1", "*/9") == ["day/0", "day/1", "night/9"]
    with pytest.raises(
        ValueError, match=r"nowhere: there is no such folder; expected a run's folder, a folder of runs"
    ):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="no run lies there"):
        find_runs([nested])


def test_runs_without_scores_and_unfinished_ones_are_left_out_by_name(scored_run: Scored) -> None:
    bare, failed, good = (scored_run(f"sweep/{name}", skips=name) for name in ("bare", "failed", "good"))
    shutil.rmtree(bare / "scores")
    Run(failed).update_summary(status="failed")
    read, left_out = read_runs([Run(bare), Run(failed), Run(good)])
    assert [run.name for run in read] == ["good"]
    assert left_out == [
        f"bare is left out: it has no scores/shapes_val.npz; `python -m seglight.evaluate run={bare}` writes it",
        "failed is left out: it is failed",
    ]


def test_a_missing_evaluation_is_named_with_the_command_that_writes_it(scored_run: Scored) -> None:
    _, left_out = read_runs([Run(scored_run("sweep/a"))], ["shapes_test"])
    assert "data.split=test` writes it" in left_out[0]


def test_jobs_that_halving_ended_early_are_left_out(scored_run: Scored) -> None:
    runs = [scored_run(f"sweep/{name}", skips=name, summary={"epochs": 1}) for name in ("0", "1", "2")]
    folder = runs[0].parent
    (folder / "halving.json").write_text('{"jobs": [["0", "1"], ["1"]]}')  # 2 is another seed of a finalist
    read, left_out = read_runs(find_runs([folder]))
    assert [run.run.path.name for run in read] == ["1", "2"]
    assert left_out == ["sweep/0 is left out: halving ended it early, at epoch 1"]


@pytest.mark.parametrize("content", ["{", "[]", '{"jobs": []}', '{"jobs": 3}', "{}"])
def test_broken_records_are_named(scored_run: Scored, content: str) -> None:
    folder = scored_run("sweep/0").parent
    (folder / "halving.json").write_text(content)
    with pytest.raises(ValueError, match=r"halving\.json is not the record of a halving sweep"):
        read_runs(find_runs([folder]))
    (folder / "halving.json").unlink()
    (folder / "0/summary.json").write_text(content[:2])
    if content[:2] != "{}":
        with pytest.raises(ValueError, match=r"0/summary\.json is not the summary of a run"):
            read_runs(find_runs([folder]))


def test_latencies_that_were_measured_differently_are_not_compared(scored_run: Scored) -> None:
    at = {"small": "512 x 512, CPU", "large": "1024 x 1024, CPU", "also_small": "512 x 512, CPU"}
    runs = [
        Run(scored_run(f"sweep/{name}", skips=name, summary={"latency_ms": 5.0, "latency_at": where}))
        for name, where in at.items()
    ]
    read, told = read_runs(runs)
    assert told == [
        "latency_ms is left out, for it was measured in several ways: 2 at 512 x 512, CPU; 1 at 1024 x 1024, CPU"
    ]
    assert all("latency_ms" not in run.summary for run in read)
    read, told = read_runs([runs[0], runs[2]])
    assert told == []
    assert [run.summary["latency_ms"] for run in read] == [5.0, 5.0]


@pytest.mark.parametrize(
    ("what", "other", "said"),
    [
        ("images", {"images": 30}, "different images: sweep/a, sweep/b on 40 images .*; other/c on 30 images"),
        (
            "classes",
            {"classes": ("background", "cat")},
            "different classes: sweep/a, sweep/b on the 9 classes .*; other/c on",
        ),
        (
            "splits",
            {"evaluation": "shapes_test"},
            "different data sets or splits: .* on shapes_val; other/c on shapes_test",
        ),
    ],
)
def test_runs_on_other_images_splits_or_classes_are_refused_by_name(
    scored_run: Scored, what: str, other: dict[str, object], said: str
) -> None:
    paths = [scored_run("sweep/a"), scored_run("sweep/b", seed=1), scored_run("other/c", **other)]
    evaluations = [[], [], ["shapes_test"] if what == "splits" else []]
    runs = [run for path, wanted in zip(paths, evaluations, strict=True) for run in read_runs([Run(path)], wanted)[0]]
    names = ("sweep/a", "sweep/b", "other/c")
    named = [type(run)(name, run.run, run.counts) for name, run in zip(names, runs, strict=True)]
    with pytest.raises(ValueError, match=said):
        refuse_different(named)


def test_another_ground_truth_under_the_same_names_is_refused(scored_run: Scored) -> None:
    one, other = scored_run("a"), scored_run("b", seed=1)
    file = other / "scores" / "shapes_val.npz"
    content = dict(np.load(file))
    np.savez(file, **{**content, "gt": content["gt"] * 4})  # as masks at twice the size
    runs, _ = read_runs([Run(one), Run(other)])
    with pytest.raises(ValueError, match=r"different ground truth: a on .* labelled pixels; b on"):
        refuse_different(runs)


def test_the_order_of_images_does_not_matter(scored_run: Scored) -> None:
    one, other = scored_run("a"), scored_run("b", seed=1)
    file = other / "scores" / "shapes_val.npz"
    content = dict(np.load(file))
    np.savez(file, **{key: value if key == "classes" else value[::-1] for key, value in content.items()})
    runs, _ = read_runs([Run(one), Run(other)])
    refuse_different(runs)
    assert runs[0].names == runs[1].names


@pytest.mark.parametrize("content", [b"no npz", b""])
def test_a_damaged_file_of_scores_is_named(scored_run: Scored, content: bytes) -> None:
    path = scored_run("a")
    file = path / "scores" / "shapes_val.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"{file} holds no scores of images"):
        read_runs([Run(path)])


def test_runs_of_several_folds_get_their_mean(scored_run: Scored) -> None:
    one = scored_run("a", typed=["data.fold=0"], summary={"val/miou": 0.4})
    other = scored_run("b", typed=["data.fold=1"], summary={"val/miou": 0.5}, images=30)
    runs = [run for path in (one, other) for run in read_runs([Run(path)])[0]]
    said = r"over 2 of them val/miou is 0\.4500 .* deviation of 0\.0707; compare runs of one"
    with pytest.raises(ValueError, match=said):
        refuse_different(runs)
