"""`python -m seglight.train`: composes a run, makes its directory, trains it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from seglight.cli import CommandLine, refuse_impossible, run_command
from seglight.overrides import is_hydras, key_of, quoted
from seglight.ranks.environment import rank, started_by_others
from seglight.ranks.rendezvous import Meeting
from seglight.ranks.signals import stops_at_once
from seglight.runs.credentials import refuse_typed_secrets
from seglight.sweeps import register


def train(cfg: DictConfig, changes: list[str], meeting: Meeting | None = None) -> float:
    """One run; returns val/miou. `changes` are the overrides of a run that is resumed.

    In a sweep a failed job is recorded and NaN, so that the next one starts.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from seglight.config import record_choices
    from seglight.runs.run import Run
    from seglight.sweeps.job_process import try_run
    from seglight.training.job import train_run
    from seglight.training.validate import validate

    hydra: Any = HydraConfig.get()
    if cfg.resume:
        run = Run.resume(cfg.resume, changes, validate)
    else:
        if hydra.mode == RunMode.MULTIRUN:
            cfg.sweep = cfg.sweep or Path(hydra.sweep.dir).resolve().name
        cfg = record_choices(cfg, hydra.runtime.choices)
        run = Run.create(Path(hydra.runtime.output_dir), cfg, list(hydra.overrides.task))
    if meeting:
        meeting.say(run.path)
    return try_run(run) if hydra.mode == RunMode.MULTIRUN else train_run(run)


def main() -> None:
    meeting = None
    if started_by_others():
        meeting = Meeting()
        if rank() > 0:
            join(meeting)
            return
    changes: list[str] = []
    try:
        with stops_at_once():
            run_command(
                "train", lambda cfg: train(cfg, changes, meeting), lambda line: changes.extend(prepare(line, meeting))
            )
    finally:
        if meeting:
            meeting.say(None)


def prepare(line: CommandLine, meeting: Meeting | None) -> list[str]:
    """Looks at the command line before Hydra makes a folder; returns what it changes in a run that is resumed.

    Hydra would look for the changed keys in the default config, which may have other groups than the run.
    """
    refuse_typed_secrets(line.overrides)
    for key in ("hydra.run.dir", "hydra.sweep.dir"):
        if path := line.value(key):
            refuse_impossible(key, Path(path))
    run, sweep = line.value("resume"), line.value("resume_sweep")
    register()
    if not run and not sweep:
        return []
    key, folder = ("resume", str(run)) if run else ("resume_sweep", str(sweep))
    if run and (line.sweeps or line.study or sweep):
        raise ValueError("resume=RUN continues one run, without -m or -cn; resume_sweep=FOLDER those of a sweep")
    from seglight.runs.resume import refuse_other_kind

    refuse_other_kind(key, folder)
    place = "hydra.run.dir" if run else "hydra.sweep.dir"
    if line.value(place) is not None:
        raise ValueError(f"{key}={folder} continues in its own folder: leave {place} out")
    hydras = [override for override in line.overrides if is_hydras(override)]
    changes = [override for override in line.overrides if not is_hydras(override) and key_of(override) != key]
    line.overrides = [f"{key}={quoted(folder)}", *hydras, f"{place}={quoted(folder)}"]
    if run:
        say_if_finished(folder, changes, meeting)
        return changes
    line.overrides += ["hydra/sweeper=resume", f"hydra.sweeper.changes=[{','.join(map(quoted, changes))}]"]
    if not line.sweeps:
        line.flags.append("-m")
    return []


def say_if_finished(path: str, changes: list[str], meeting: Meeting | None) -> None:
    """Ends the program where a run has nothing left to train; ValueError where it cannot go on as the changes ask."""
    from seglight.runs.resume import Finished, plan
    from seglight.training.validate import validate

    try:
        plan(path, changes, validate)
    except Finished as finished:
        if any(key_of(change) != "trust" for change in changes):
            raise
        if meeting:
            meeting.say(Path(path))
        print(f"{finished}\nrun: {path}")
        sys.exit(0)


def join(meeting: Meeting) -> None:
    """One of the ranks that torchrun or srun started: rank 0 trains, the others take part."""
    path = meeting.hear()
    if path is None:
        sys.exit(1)  # rank 0 says why
    from seglight.runs.run import Run
    from seglight.runs.status import DONE
    from seglight.training.worker import take_part

    run = Run(path)
    if run.summary["status"] not in DONE:  # else there was nothing left to train
        take_part(run)


if __name__ == "__main__":
    main()
