"""hydra/sweeper=optuna: chooses values by what earlier jobs scored; maximises val/miou and may prune a job on its way.

Hydra's own Optuna plugin holds Optuna below 3 and cannot prune.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from seglight.sweeps.job_launcher import missing
from seglight.values import whole

log = logging.getLogger(__name__)


class OptunaSearch(Sweeper):
    """n_trials jobs, n_jobs at a time (that many are asked for before any of them has scored).

    Swept values are Hydra's: `key=a,b,c`, `key=range(1,9)`, `key=interval(0.1,1)`, `key=tag(log,interval(1e-4,1))`;
    `params` holds those of a study's config. The study is kept in the sweep's folder, optuna.journal.
    """

    def __init__(self, sampler: Any, pruner: Any, n_trials: int, n_jobs: int, params: Any = None) -> None:
        self.sampler, self.pruner = sampler, pruner  # as configs: a job builds the pruner of its own
        self.n_trials, self.n_jobs = n_trials, n_jobs
        self.params = [f"{key}={value}" for key, value in (params or {}).items()]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context = config, hydra_context
        try:
            whole("hydra.sweeper.n_trials", self.n_trials, 1)
            whole("hydra.sweeper.n_jobs", self.n_jobs, 1)
        except ValueError as error:
            raise SystemExit(f"error: {error}") from None
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        try:
            import optuna
            from optuna.trial import TrialState
        except ModuleNotFoundError:
            raise missing("hydra/sweeper=optuna", "optuna") from None
        from seglight.callbacks.pruning import STUDY, build_optunas, storage

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            sampler = build_optunas("hydra.sweeper.sampler", self.sampler)
            pruner = build_optunas("hydra.sweeper.pruner", self.pruner)
        except ValueError as error:
            raise SystemExit(f"error: {error}") from None
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        parser = OverridesParser.create(self.hydra_context.config_loader)
        parsed = parser.parse_overrides([*self.params, *arguments])
        given = {o.get_key_element(): o for o in parsed}  # what is typed replaces the study's
        swept = {key: distribution(o) for key, o in given.items() if o.is_sweep_override()}
        fixed = {key: o.get_value_element_as_str() for key, o in given.items() if not o.is_sweep_override()}
        if not swept:
            raise SystemExit("error: hydra/sweeper=optuna: no key has several values to choose from")
        folder = Path(self.config.hydra.sweep.dir).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        saved = self.config.copy()
        OmegaConf.update(saved, "hydra.sweeper.pruner", self.pruner, merge=False)  # jobs refuse ${...} in it
        OmegaConf.save(saved, folder / "multirun.yaml")
        study = optuna.create_study(
            storage=storage(folder), study_name=STUDY, load_if_exists=True, direction="maximize",
            sampler=sampler, pruner=pruner,
        )  # fmt: skip
        number = len(study.trials)
        if number >= self.n_trials:
            text = "hydra.sweeper.n_trials=%d: the study has %d trials already; a larger number adds to them"
            log.info(text, self.n_trials, number)
        while number < self.n_trials:
            trials = [study.ask(swept) for _ in range(min(self.n_jobs, self.n_trials - number))]
            jobs = []
            for trial in trials:
                values = {**fixed, **trial.params}
                job = [f"{key}={value}" for key, value in values.items()]
                jobs.append([*job, f"trial={{folder:'{folder}',number:{trial.number}}}"])
            for trial, result in zip(trials, self.launcher.launch(jobs, number), strict=True):
                score = result.return_value
                if math.isnan(score):
                    study.tell(trial, state=TrialState.FAIL)
                else:
                    pruned = study.trials[trial.number].user_attrs.get("pruned", False)
                    study.tell(trial, None if pruned else score, TrialState.PRUNED if pruned else TrialState.COMPLETE)
            number += len(trials)
        done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
        if done:
            best = study.best_trial
            log.info("best: job %d, val/miou %.4f: %s", best.number, best.value, best.params)


def distribution(override: Override) -> Any:
    """What Optuna draws a swept key's value from."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    value = override.value()
    if isinstance(value, IntervalSweep):
        kind = IntDistribution if isinstance(value.start, int) and isinstance(value.end, int) else FloatDistribution
        return kind(value.start, value.end, log="log" in value.tags)  # type: ignore[arg-type]
    if isinstance(value, RangeSweep) and not value.shuffle:
        assert value.start is not None
        assert value.stop is not None
        if all(isinstance(n, int) for n in (value.start, value.stop, value.step)):
            last = value.start + (math.ceil((value.stop - value.start) / value.step) - 1) * value.step
            return IntDistribution(int(value.start), int(last), step=int(value.step))
    if isinstance(value, ChoiceSweep | RangeSweep):
        return CategoricalDistribution(list(override.sweep_iterator(transformer=Transformer.encode)))  # type: ignore[arg-type]
    raise SystemExit(f"error: hydra/sweeper=optuna cannot draw from {override.input_line}")
