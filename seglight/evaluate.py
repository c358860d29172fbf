"""`python -m seglight.evaluate run=PATH`: a run's scores again, from its checkpoint, on any split or data set."""

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from seglight.cli import CommandLine, run_command

if TYPE_CHECKING:
    from seglight.runs.run import Run

SHOWN = 6  # class names in a message

log = logging.getLogger(__name__)


def evaluate(cfg: DictConfig) -> dict[str, float]:
    """Writes RUN/evaluate/<data>_<split>/{metrics.json, per_class.csv, confusion.csv} and, on demand, predictions/."""
    from seglight.callbacks.image_scores import CountImages
    from seglight.callbacks.progress import print_class_table
    from seglight.callbacks.save_predictions import SavePredictions
    from seglight.config import build
    from seglight.data.prediction import inside
    from seglight.metrics import class_table
    from seglight.runs.run import load_run
    from seglight.training.fit import build_task
    from seglight.training.trainer import build_trainer, quiet

    run = load_run(cfg.run, cfg.checkpoint, cfg.trust)
    data = build(cfg, "data")
    check_classes(data, run)
    data.setup("validate")  # says what is wrong with the split before anything is written
    folder = inside(inside(run.path, "evaluate"), f"{data.name}_{data.split}")
    for name in ("metrics.json", "per_class.csv", "confusion.csv", "predictions"):
        inside(folder, name)  # a link in somebody else's run
    folder.mkdir(parents=True, exist_ok=True)
    task = build_task(run.cfg, data, run.net)
    task.net.to(memory_format=task.memory_format)
    counted = CountImages(run.path, data, None, run.cfg.get("boundary_width"))
    callbacks = [counted, *([SavePredictions(folder / "predictions", data)] if cfg.save_predictions else [])]
    quiet()
    settings = run.cfg.copy()
    settings.trainer.update({"limit_val_batches": None, "devices": 1, "num_nodes": 1, "strategy": "auto"})
    trainer = build_trainer(settings, None, callbacks)
    trainer.validate(task, data.eval_dataloader(data.split), verbose=False)
    confusion = task.metrics.compute().cpu()
    rows = class_table(confusion, task.metrics.classes)
    named = {k.replace("val/", f"{data.split}/"): None if math.isnan(v) else v for k, v in task.scores.items()}
    (folder / "metrics.json").write_text(json.dumps(named, indent=2) + "\n")
    with (folder / "per_class.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with (folder / "confusion.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["truth \\ prediction", *task.metrics.classes])
        table.writerows([name, *row] for name, row in zip(task.metrics.classes, confusion.tolist(), strict=True))
    print_class_table(rows, task.scores)
    log.info("wrote: %s", folder)
    return task.scores


def check_classes(data: Any, run: Run) -> None:
    """ValueError where a data set has other classes than the run learned, or another order of them."""
    name, trained = f"data={data.name}", run.cfg.data
    advice = "evaluate it on a data set with the same classes in the same order"
    if data.num_classes != trained.num_classes:
        raise ValueError(
            f"{name} has {data.num_classes} classes, the run was trained on {trained.num_classes} "
            f"(data={trained.name}): {advice}"
        )
    learned, given = run.summary.get("classes"), getattr(data, "classes", None)
    if learned and given and list(given) != learned:  # runs of earlier versions do not name them
        raise ValueError(
            f"{name} has the classes {shortened(given)}; the run was trained on {shortened(learned)} "
            f"(data={trained.name}): {advice}, and under the same names"
        )


def shortened(names: Sequence[str]) -> str:
    """The first names of a list, and how many there are."""
    return ", ".join(names[:SHOWN]) + (f", ... ({len(names)})" if len(names) > SHOWN else "")


def with_run_data(line: CommandLine) -> None:
    """Offers the data of the run that `run=PATH` names as the option `data=run`, evaluate.yaml's default."""
    from hydra.core.config_store import ConfigStore

    from seglight.runs.run import find_run

    path = line.value("run")
    if path is None:
        raise ValueError("run=... is needed: the folder of a run")
    ConfigStore.instance().store(name="run", node=find_run(path).cfg.data, group="data")


if __name__ == "__main__":
    run_command("evaluate", evaluate, with_run_data)
