"""What a sweep says when it ends: its jobs, the verdict, why some failed. The exit code is 1 where one is not done."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from seglight.mistakes import cut

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison
    from seglight.runs.run import Run

WORDS = {"failed": "failed", "interrupted": "interrupted", "running": "still running", "waiting": "not started"}
LONGEST = 160  # characters of an error: a terminal or two are so wide


class SweepReport(Callback):
    """Prints the table when a sweep has ended, and removes what its jobs shared; Hydra calls it."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        from seglight.training.shared_features import remove

        folder = Path(config.hydra.sweep.dir)
        if print_report(folder):
            sys.stdout.flush()
            sys.exit(1)
        remove(folder)


def print_report(folder: Path) -> int:
    """Every job with what sets it apart, status, score and time, and why it failed; returns how many are not done."""
    from rich.console import Console
    from rich.table import Table

    from seglight.runs.run import sweep_runs
    from seglight.runs.status import DONE
    from seglight.sweeps.rungs import Rungs

    runs, rungs = sweep_runs(folder), Rungs.of(folder)
    given = [by_key(run.overrides) for run in runs]
    shared = set.intersection(*(set(overrides.values()) for overrides in given)) if len(runs) > 1 else set()
    table = Table(title=f"{len(runs)} jobs in {folder}")
    for column in ("job", "overrides", *(("rung", "epochs") if rungs else ()), "status", "val/miou", "seconds"):
        numeric = column in ("rung", "epochs", "val/miou", "seconds")
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    comparison, refused = compared(runs)
    intervals = {str(run.run.path): row["miou"] for run, row in with_intervals(comparison)}
    place = str(folder)
    if rungs:
        finalists = [run for run in runs if rungs.is_last(run.path.name)]
        comparison, refused = compared(finalists)  # the others had fewer epochs
        place = f"[{','.join(str(run.path) for run in finalists)}]"
    reasons, left = [], Counter(dict.fromkeys(WORDS.values(), 0))
    hidden = shared | {overrides.get("trainer.max_epochs", "") for overrides in given if rungs}  # in a column
    for run, overrides in zip(runs, given, strict=True):
        summary = run.summary
        status, score, seconds = summary["status"], summary.get("val/miou"), summary.get("train_seconds")
        left[WORDS.get(status, status)] += status not in DONE
        if status == "failed":
            error = (summary.get("error") or "").strip() or "no error was recorded"
            reasons.append(f"job {run.path.name} failed: {cut(error.splitlines()[0], LONGEST)}")
        table.add_row(
            run.path.name,
            " ".join(text for text in overrides.values() if text not in hidden),
            *((str(rungs.rung(run.path.name)), str(run.cfg.trainer.max_epochs)) if rungs else ()),
            status,
            "-" if score is None or score != score else f"{score:.4f}{within(intervals.get(str(run.path)))}",
            "-" if seconds is None else f"{seconds:.1f}",
        )
    Console().print(table)
    print(*reasons, sep="\n", end="\n" if reasons else "")
    if common := [text for text in (given[0] if runs else {}).values() if text in shared - constants(folder)]:
        print("all:", *common)
    if rungs:
        print(rungs.spent([run.summary for run in runs]))
    if comparison is not None:
        print(*comparison.verdict, sep="\n")
        print("A page with all of it:", shlex.join(["python", "-m", "seglight.compare", f"runs={place}"]))
    elif refused:
        print("not compared:", refused)
    if counts := [(count, word) for word, count in left.items() if count]:
        (first, word), *others = counts
        told = [f"{first} of {len(runs)} jobs {word}", *(f"{count} {word}" for count, word in others)]
        print(f"{', '.join(told)}. The train.log of each has more. Go on with:")
        print("python -m seglight.train", shlex.quote(f"resume_sweep={folder}"))
    print(f"sweep: {folder}")
    return left.total()


def compared(runs: Sequence[Run]) -> tuple[Comparison | None, str]:
    """The comparison of the jobs that have scores of images; where they cannot be compared, why."""
    from seglight.results.compared import read_runs
    from seglight.results.comparison import Comparison

    try:
        read, _ = read_runs(runs)
        return (Comparison.of(read), "") if len(read) > 1 else (None, "")
    except ValueError as error:
        return None, str(error)


def with_intervals(comparison: Comparison | None) -> Iterable[tuple[Any, Any]]:
    return zip(comparison.runs, comparison.intervals(), strict=True) if comparison is not None else ()


def within(score: dict[str, float] | None) -> str:
    """The interval after a score; it covers the images alone."""
    return f" ({score['low']:.4f} to {score['high']:.4f})" if score else ""


def by_key(overrides: Sequence[str]) -> dict[str, str]:
    """Each key's last override, as plain text without `+`."""
    plain = (override.lstrip("+") for override in overrides if not override.startswith("trial="))
    return {override.partition("=")[0].lstrip("~"): override for override in plain}


def constants(folder: Path) -> set[str]:
    """The overrides with a single value in a study's config: nobody typed those."""
    path = folder / "multirun.yaml"
    params = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params") if path.is_file() else None
    plain: Any = OmegaConf.to_container(params, resolve=False) if params else {}
    parsed = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in plain.items()])
    return {
        f"{o.get_key_element()}={o.get_value_element_as_str()}".lstrip("+") for o in parsed if not o.is_sweep_override()
    }
