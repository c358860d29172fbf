"""A run as a trial of an Optuna study: it reports each evaluation, and ends early where the study gives it up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning as L
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from seglight.runs import status
from seglight.runs.run import Run, read_yaml
from seglight.runs.trust import leaves

log = logging.getLogger(__name__)

STUDY = "seglight"


def storage(folder: Path) -> Any:
    """The study's file in a sweep's folder, which all its jobs append to."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))


def build_optunas(where: str, node: Any) -> Any:
    """The pruner or sampler of a config. ValueError where it, or anything nested in it, is not one of Optuna's."""
    import optuna

    known = {f"{part.__name__}.{name}" for part in (optuna.pruners, optuna.samplers) for name in part.__all__}
    plain = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    if not isinstance(plain, dict) or "_target_" not in plain:
        raise ValueError(f"{where}={plain}: a pruner or sampler of Optuna is needed, {{_target_: optuna...}}")
    for key, value in leaves(plain, where):
        if key.endswith("._target_") and value not in known:
            raise ValueError(f"{key}={value}: only optuna.pruners.* and optuna.samplers.* are built")
        if isinstance(value, str) and "${" in value:
            raise ValueError(f"{key}={value}: a plain value is needed")
    try:
        return instantiate(plain)
    except InstantiationException as error:
        raise ValueError(f"{where}: {error.__cause__ or error}") from None


class Pruning(L.Callback):
    """Reports val/miou by evaluation; a pruned run keeps its scores so far and its status is `pruned`."""

    def __init__(self, run: Run, folder: str, number: int) -> None:
        import optuna

        self.run = run
        path = Path(folder) / "multirun.yaml"
        node = OmegaConf.select(read_yaml(path), "hydra.sweeper.pruner")
        pruner = build_optunas(f"{path}: hydra.sweeper.pruner", node)
        study = optuna.load_study(study_name=STUDY, storage=storage(Path(folder)), pruner=pruner)
        self.trial: Any = optuna.Trial(study, study.trials[number]._trial_id)
        self.told = study.trials[number].state.is_finished()  # a job of a sweep that is rerun
        self.pruned = False

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if trainer.is_global_zero and not self.told:
            self.trial.report(pl_module.scores["val/miou"], trainer.current_epoch)
            last = 0 < (trainer.max_epochs or 0) <= trainer.current_epoch + 1
            self.pruned = not last and self.trial.should_prune()
        self.pruned = bool(trainer.strategy.broadcast(self.pruned))
        if self.pruned:
            trainer.should_stop = True

    def on_fit_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if self.pruned and trainer.is_global_zero:
            self.trial.set_user_attr("pruned", True)
            status.end(self.run, "pruned")
            log.info("pruned: other trials scored more after as many evaluations")
