"""`python -m seglight.train`: composes a run, makes its directory, trains it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from seglight.command import run_command

log = logging.getLogger(__name__)


def train(cfg: DictConfig) -> float:
    """One run; returns val/miou. In a sweep a failed job is recorded and NaN, so that the next one starts."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from seglight.command import USER_ERRORS, message
    from seglight.config import record_choices, resolve
    from seglight.launch import launch
    from seglight.runs import Run

    hydra: Any = HydraConfig.get()
    overrides = list(hydra.overrides.task)
    if cfg.resume:
        run = Run.resume(cfg.resume, [o for o in overrides if not o.startswith("resume=")])
    else:
        run = Run.create(Path(hydra.runtime.output_dir), resolve(record_choices(cfg, hydra.runtime.choices)), overrides)
    lock = run.locked()
    lock.__enter__()  # before the try: another process's run is not ours to mark as failed
    try:
        launch(run)
        log.info("run: %s", run.path)
        return float(run.summary.get("val/miou", "nan"))
    except Exception as error:
        run.update_summary(status="failed", error=message(error))
        if hydra.mode != RunMode.MULTIRUN:
            raise
        log.error("error: %s", message(error), exc_info=not isinstance(error, USER_ERRORS))
        log.info("run: %s (failed)", run.path)
        return float("nan")
    except BaseException:
        run.update_summary(status="interrupted")
        log.info("run: %s (interrupted; resume=%s continues it)", run.path, run.path)
        raise
    finally:
        lock.__exit__(None, None, None)


def main() -> None:
    for argument in sys.argv[1:]:
        if argument.startswith("resume=") and argument != "resume=null":
            sys.argv.append(f"hydra.run.dir={argument.removeprefix('resume=')}")  # the run goes on in its own folder
    run_command("train", train)


if __name__ == "__main__":
    main()
