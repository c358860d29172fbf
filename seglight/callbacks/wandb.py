"""The Weights & Biases logger: one run a job, written by rank 0 alone, offline unless logged in."""

from __future__ import annotations

import logging
import os
import secrets
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from seglight.ranks.environment import rank
from seglight.results.loggers import mode_where_logged_in
from seglight.runs.run import Run
from seglight.values import one_of

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

COSTS = ("params", "trainable_params", "train_seconds", "images_per_second")


class RunLogger(WandbLogger):
    """Lightning's W&B logger around the run that belongs to the run directory `save_dir`.

    mode is auto (online where logged in, else offline), online, offline or disabled; watch (gradients, parameters,
    all) adds their histograms. `settings` are wandb.init's: entity, group, tags, name, notes, job_type.
    """

    def __init__(
        self, save_dir: str, project: str, mode: str = "auto", watch: str | None = None, **settings: Any
    ) -> None:
        one_of("logger.wandb.watch", watch, (None, "gradients", "parameters", "all"))
        self.run = Run(save_dir)
        self.watched = watch
        mode = mode_where_logged_in() if mode == "auto" else mode
        started = start(self.run, mode, project=project, **settings) if rank() == 0 else None
        super().__init__(save_dir=save_dir, project=project, experiment=started)


def start(run: Run, mode: str, **settings: Any) -> wandb.Run:
    """W&B's run of a run directory, the same one when that goes on; offline where W&B does not answer."""
    import wandb

    identity = run.summary.get("wandb_id") or secrets.token_hex(4)
    run.update_summary(wandb_id=identity)
    sweep = run.cfg.get("sweep")
    settings.setdefault("name", f"{sweep}/{run.path.name}" if sweep else run.path.name)

    def init(mode: str) -> wandb.Run:
        return wandb.init(
            mode=mode,  # type: ignore[arg-type]
            id=identity,
            resume="allow",
            dir=run.path,
            settings=wandb.Settings(
                init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", 20)),
                finish_timeout=300,  # of waiting for an upload that does not come to an end; `wandb sync` has it later
            ),
            **settings,
        )

    try:
        started = init(mode)
    except wandb.Error as error:
        log.warning(
            "Weights & Biases: %s\nThe run is kept offline: `wandb sync %s` uploads it later "
            "(logger.wandb.mode=offline does not try)",
            str(error).splitlines()[0],
            run.path / "wandb" / f"offline-run-*-{identity}",
        )
        wandb.teardown()  # or the service process would still hold the id
        started = init("offline")
    # "*" would hide "val/*": W&B applies one pattern to a metric
    for pattern, axis in (("val/*", "epoch"), ("train/*", "trainer/global_step")):
        started.define_metric(axis)
        started.define_metric(pattern, step_metric=axis)
    return started


def finish_wandb(run: Run, error: BaseException | None) -> None:
    """Ends W&B's run, if this process has one, with its costs and the exit code that `error` means."""
    import wandb

    if wandb.run is None:
        return
    summary = run.summary
    wandb.run.summary.update({name: summary[name] for name in COSTS if name in summary})
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    wandb.finish(exit_code=code if isinstance(code, int) else int(code is not None))
