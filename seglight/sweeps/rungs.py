"""The rungs of a halving sweep: who has had how many epochs, and who goes on. `halving.json` in the sweep's folder.

Successive halving: Jamieson & Talwalkar 2016, section 3.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from seglight.runs.atomic import written_whole
from seglight.runs.run import Run, read_yaml
from seglight.runs.status import DONE

log = logging.getLogger(__name__)

FILE = "halving.json"


def budgets(least: int, most: int, eta: int) -> list[int]:
    """The epochs after which jobs are chosen: `least`, eta times as many, and so on; the last one is `most`."""
    found = [least]
    while found[-1] < most:
        found.append(min(found[-1] * eta, most))
    return found


def size(jobs: int, rung: int, eta: int) -> int:
    """How many of all jobs get to a rung: 1 in eta ** rung, rounded up."""
    return -(-jobs // int(eta**rung))


def best(scores: dict[str, float], count: int) -> list[str]:
    """The names with the highest scores, the first of equals first; none without a score."""
    scored = [name for name, score in scores.items() if not math.isnan(score)]
    return sorted(scored, key=lambda name: -scores[name])[:count]


@dataclass
class Rungs:
    """A sweep's folder, its numbers, and the names of the jobs of each rung so far, the best first; rung 0 has all."""

    folder: Path
    eta: int
    min_epochs: int
    max_epochs: int
    seeds: int
    jobs: list[list[str]] = field(default_factory=list)

    @classmethod
    def of(cls, folder: Path) -> Rungs | None:
        """Of a sweep's folder; None where it is no halving. ValueError where its file cannot be read."""
        path = folder / FILE
        if not path.is_file():
            return None
        try:
            return cls(folder, **json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None

    def write(self) -> None:
        """Before any job of a new rung changes: what was decided is not decided again from later scores."""
        known = {key: value for key, value in asdict(self).items() if key != "folder"}
        with written_whole(self.folder / FILE) as file:
            file.write(json.dumps(known, indent=2) + "\n")

    @cached_property
    def budgets(self) -> list[int]:
        return budgets(self.min_epochs, self.max_epochs, self.eta)

    def plan(self) -> str:
        """What will be trained, in a line."""
        sizes = [self.count(rung) for rung in range(len(self.budgets))]
        steps = [f"{count} to epoch {epochs}" for count, epochs in zip(sizes, self.budgets, strict=True)]
        gained = [after - before for before, after in zip([0, *self.budgets], self.budgets, strict=False)]
        epochs = sum(count * more for count, more in zip(sizes, gained, strict=True))
        epochs += sizes[-1] * (self.seeds - 1) * self.max_epochs
        return f"halving: {', '.join(steps)}; {self.share(epochs)}"

    def share(self, epochs: int) -> str:
        """So many epochs as a share of what training every job with every seed to its end takes."""
        grid = len(self.jobs[0]) * self.seeds * self.max_epochs
        return f"{epochs} of the full grid's {grid} epochs ({epochs / grid:.0%})"

    def rung(self, name: str) -> int:
        """The last rung that a job has been given the epochs of; the seeds' jobs are on the last one."""
        return max((at for at, jobs in enumerate(self.jobs) if name in jobs), default=len(self.budgets) - 1)

    def is_last(self, name: str) -> bool:
        """Whether a job has been given all epochs."""
        return self.rung(name) == len(self.budgets) - 1

    def go_on(self, launcher: Any) -> None:
        """Trains rung after rung to the end, from whatever has been done.

        It stops where a job is not done but for a failure, for that one may be the best.
        """
        while True:
            at = len(self.jobs) - 1
            self.promote(self.jobs[at], self.budgets[at], launcher)
            ended = {name: Run(self.folder / name).summary for name in self.jobs[at]}
            if waiting := [name for name, run in ended.items() if run["status"] not in (*DONE, "failed")]:
                log.warning("halving: nothing is chosen before the jobs %s are done", ", ".join(waiting))
                return
            done = {name: run for name, run in ended.items() if run["status"] in DONE}
            scores = {name: float(run.get("val/miou", math.nan)) for name, run in done.items()}
            if at + 1 == len(self.budgets):
                break
            chosen = best(dict(sorted(scores.items(), key=lambda item: int(item[0]))), self.count(at + 1))
            if not chosen:
                log.warning("halving: no job has a val/miou after %d epochs, so none goes on", self.budgets[at])
                return
            self.jobs.append(chosen)
            self.write()
            shown = ", ".join(f"{name} ({scores[name]:.4f})" for name in chosen)
            log.info("halving: to epoch %d go the jobs %s", self.budgets[at + 1], shown)
        self.train_seeds(launcher)

    def count(self, rung: int) -> int:
        """How many jobs get to a rung."""
        return size(len(self.jobs[0]), rung, self.eta)

    def promote(self, names: Sequence[str], epochs: int, launcher: Any) -> None:
        """Those that have been given fewer epochs go on from their checkpoints."""
        from seglight.training.validate import validate

        behind = [run for run in map(self.run, names) if run.cfg.trainer.max_epochs < epochs]
        for run in behind:
            Run.resume(run.path, [f"trainer.max_epochs={epochs}"], validate)
        if behind:
            launcher.train([run.path for run in behind])

    def train_seeds(self, launcher: Any) -> None:
        """The jobs of the last rung again with other seeds, each from its start."""
        new, number = [], len(self.jobs[0])
        for run in map(self.run, self.jobs[-1]):
            for seed in range(1, self.seeds):
                path, number = self.folder / str(number), number + 1
                if (path / "config.yaml").is_file():
                    continue  # resume_sweep has seen to it
                cfg = read_yaml(run.path / "composed.yaml")
                cfg.seed, cfg.resume = run.cfg.seed + seed, None
                Run.create(path, cfg, [*run.overrides, f"seed={cfg.seed}"])
                new.append(path)
        if new:
            log.info("halving: %d jobs with other seeds", len(new))
            launcher.train(new)

    def run(self, name: str) -> Run:
        return Run(self.folder / name)

    def spent(self, summaries: Sequence[dict[str, Any]]) -> str:
        """What the sweep has taken so far, in a line."""
        share = self.share(sum(summary.get("epochs", 0) for summary in summaries))
        return f"halving: {share} were trained; jobs below rung {len(self.budgets) - 1} had fewer and are not compared"
