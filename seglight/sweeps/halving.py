"""hydra/sweeper=halving: a grid whose jobs get few epochs, and the best of them more."""

from __future__ import annotations

import logging
from pathlib import Path
from shlex import quote
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from seglight.sweeps.rungs import Rungs
from seglight.values import whole

log = logging.getLogger(__name__)


class Halving(Sweeper):
    """Hydra's own grid, with `min_epochs` for every job; then what `Rungs` makes of it.

    eta: one job of so many goes on. seeds: of each job that gets to trainer.max_epochs; the others have one.
    """

    def __init__(self, eta: int, min_epochs: int, seeds: int, params: Any = None) -> None:
        self.eta, self.min_epochs, self.seeds, self.params = eta, min_epochs, seeds, params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra._internal.core_plugins.basic_sweeper import BasicSweeper  # Hydra reads that file anew as it starts

        whole("hydra.sweeper.eta", self.eta, 2)
        whole("hydra.sweeper.min_epochs", self.min_epochs, 1)
        whole("hydra.sweeper.seeds", self.seeds, 1)
        self.config, self.hydra_context = config, hydra_context
        self.grid = BasicSweeper(max_batch_size=None, params=self.params)
        self.grid.setup(hydra_context=hydra_context, task_function=task_function, config=config)
        if not hasattr(self.grid.launcher, "train"):
            raise ValueError("hydra/sweeper=halving needs one of seglight's own launchers")

    def sweep(self, arguments: list[str]) -> Any:
        assert self.config is not None
        folder = Path(self.config.hydra.sweep.dir).absolute()
        if any(folder.glob("*/config.yaml")):
            go_on = quote(f"resume_sweep={self.config.hydra.sweep.dir}")
            raise ValueError(f"{folder} holds a sweep: {go_on} continues it, another hydra.sweep.dir starts a new one")
        cells = self.cells(arguments)
        rungs = Rungs(folder, self.eta, self.min_epochs, max_epochs(cells, self.min_epochs, self.seeds), self.seeds)
        rungs.jobs = [[str(number) for number in range(len(cells))]]
        folder.mkdir(parents=True, exist_ok=True)
        rungs.write()
        log.info("%s", rungs.plan())
        if others := {str(cell.hydra.runtime.choices.schedule) for cell in cells} - {"wsd", "constant"}:
            text = "schedule=%s: a job that goes on repeats part of its schedule; schedule=wsd is made for that"
            log.info(text, ",".join(sorted(others)))
        returned = self.grid.sweep([*arguments, f"trainer.max_epochs={self.min_epochs}"])
        rungs.go_on(self.grid.launcher)
        return returned

    def cells(self, arguments: list[str]) -> list[DictConfig]:
        """The config of every job as it would be without halving."""
        assert self.config is not None
        assert self.hydra_context is not None
        loader = self.hydra_context.config_loader
        parsed = OverridesParser.create(loader).parse_overrides([*self.grid._parse_config(), *arguments])
        (jobs,) = self.grid.split_arguments(parsed, None)
        return [loader.load_sweep_config(self.config, job) for job in jobs]


def max_epochs(cells: list[DictConfig], least: int, seeds: int) -> int:
    """trainer.max_epochs of all jobs. ValueError where they cannot be halved: epochs of one data set are compared."""
    head = "hydra/sweeper=halving"
    if len(cells) < 2:
        raise ValueError(f"{head}: no key has several values to choose from")
    for key, limit in (("max_steps", "steps"), ("max_time", "time")):
        given = next((cell.trainer[key] for cell in cells if cell.trainer[key] not in (None, -1)), None)
        if given is not None:
            text = f"{head} gives epochs, not {limit}: leave trainer.{key}={given} out and set trainer.max_epochs"
            raise ValueError(text)
    if len(names := {str(cell.data.name) for cell in cells}) > 1:
        text = f"{head}: scores on {', '.join(sorted(names))} cannot be compared; start one sweep for each data set"
        raise ValueError(text)
    if len(found := {cell.trainer.max_epochs for cell in cells}) > 1:
        several = ",".join(map(str, sorted(found)))
        raise ValueError(f"trainer.max_epochs={several}: {head} chooses the epochs itself; one number is needed")
    if seeds > 1 and len(swept := {cell.seed for cell in cells}) > 1:
        text = f"seed={','.join(map(str, sorted(swept)))}: hydra.sweeper.seeds={seeds} chooses the seeds itself"
        raise ValueError(f"{text}; leave one of the two out")
    (epochs,) = found
    whole("trainer.max_epochs", epochs, 1)
    if epochs <= least:
        text = f"hydra.sweeper.min_epochs={least}: fewer epochs than trainer.max_epochs={epochs} are needed"
        raise ValueError(text)
    return int(epochs)
