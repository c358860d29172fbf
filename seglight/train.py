"""`python -m seglight.train`: composes a run, makes its directory, trains it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from seglight.cli import run_command
from seglight.ranks.environment import rank, started_by_others
from seglight.ranks.rendezvous import Meeting
from seglight.runs.credentials import refuse_typed_secrets
from seglight.sweeps import register


def train(cfg: DictConfig, meeting: Meeting | None = None) -> float:
    """One run; returns val/miou. In a sweep a failed job is recorded and NaN, so that the next one starts."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from seglight.config import record_choices, resolve
    from seglight.runs.run import Run
    from seglight.sweeps.job_process import try_run
    from seglight.training.job import train_run

    hydra: Any = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    if cfg.resume:
        run = Run.resume(cfg.resume, [o for o in overrides if not o.startswith("resume=")])
    else:
        if hydra.mode == RunMode.MULTIRUN:
            cfg.sweep = cfg.sweep or Path(hydra.sweep.dir).resolve().name
        run = Run.create(Path(hydra.runtime.output_dir), resolve(record_choices(cfg, hydra.runtime.choices)), overrides)
    if meeting:
        meeting.say(run.path)
    return try_run(run) if hydra.mode == RunMode.MULTIRUN else train_run(run)


def main() -> None:
    meeting = None
    try:
        refuse_typed_secrets(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"error: {error}")
    for argument in sys.argv[1:]:
        key, _, value = argument.partition("=")
        if key in ("hydra.run.dir", "hydra.sweep.dir") and Path(value).is_file():
            sys.exit(f"error: {argument}: it is a file; a folder is needed")
    resumed, resumed_sweep = typed("resume"), typed("resume_sweep")
    if resumed and {"-m", "--multirun"} & set(sys.argv):
        sys.exit("error: resume=RUN continues one run, without -m; resume_sweep=FOLDER those of a sweep")
    if started_by_others():
        meeting = Meeting()
        if rank() > 0:
            join(meeting)
            return
    try:
        if resumed_sweep:
            sys.argv[1:] = ["-m", *sys.argv[1:], "hydra/sweeper=resume", f"hydra.sweep.dir={resumed_sweep}"]
        if resumed:
            in_its_folder(resumed)
        register()
        run_command("train", lambda cfg: train(cfg, meeting))
    finally:
        if meeting:
            meeting.say(None)


def typed(key: str) -> str | None:
    """What the command line gives a key; None where that is nothing, or null."""
    given = [argument.removeprefix(f"{key}=") for argument in sys.argv[1:] if argument.startswith(f"{key}=")]
    return given[-1] if given and given[-1] != "null" else None


def join(meeting: Meeting) -> None:
    """One of the ranks that torchrun or srun started: rank 0 trains, the others take part."""
    path = meeting.hear()
    if path is None:
        sys.exit(1)  # rank 0 says why
    from seglight.runs.run import Run
    from seglight.training.worker import take_part

    take_part(Run(path))


def in_its_folder(path: str) -> None:
    """A resumed run goes on in its own folder; what is no run is refused before Hydra makes a folder of it."""
    from seglight.runs.run import find_run

    try:
        find_run(path)
    except FileNotFoundError as error:
        sys.exit(f"error: {error}")
    sys.argv.append(f"hydra.run.dir={path}")


if __name__ == "__main__":
    main()
