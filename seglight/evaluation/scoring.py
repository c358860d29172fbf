"""Scores runs on a split, on this rank: the network, the data, one pass over it, then the files."""

from __future__ import annotations

import logging
from typing import Any

from omegaconf import DictConfig

from seglight.calibration import Calibration
from seglight.callbacks.boundaries import Boundaries
from seglight.callbacks.image_scores import CountImages
from seglight.callbacks.objects import CountObjects
from seglight.callbacks.progress import print_class_table, terminal_bar
from seglight.callbacks.save_predictions import SavePredictions
from seglight.callbacks.throughput import Throughput
from seglight.callbacks.worst_images import WorstImages
from seglight.cli import made
from seglight.config import build
from seglight.deploy.colours import safe_palette
from seglight.evaluation.report import class_rows, scores_of, write, write_objects
from seglight.evaluation.subject import Places, check_classes, network, runs_of, warn_of_training_images
from seglight.evaluation.submission import pack, saver
from seglight.objects.numbering import Numbering
from seglight.training.fit import build_task
from seglight.training.trainer import build_trainer, quiet
from seglight.values import number, one_of, whole

log = logging.getLogger(__name__)


def score(cfg: DictConfig) -> None:
    """Says what is wrong before anything is written; rank 0 writes."""
    runs = runs_of(cfg)
    data = build(cfg, "data")
    for run in runs:
        check_classes(data, run)
        warn_of_training_images(cfg, run)
    submit = saver(data) if cfg.submission else None
    data.setup("validate")  # says what is wrong with the split
    labelled = has_masks(data)
    if not (labelled or cfg.save_predictions or cfg.submission):
        raise ValueError(
            f"data.split={data.split}: its images have no masks, so there is nothing to score; submission=true or "
            "save_predictions=true writes the predictions"
        )
    whole("worst", cfg.worst, 0)
    if cfg.boundary_width is not None:
        number("boundary_width", cfg.boundary_width, 0, 1)
    if one_of("palette", cfg.palette, ("own", "safe")) == "safe":
        data.palette = safe_palette(data.palette)
    inference = build(cfg, "tta")
    places = Places.of(cfg, runs, data)
    task = build_task(runs[0].cfg, data, network(runs, one_of("fold_norms", cfg.fold_norms, (True, False))))
    numbering = Numbering(**cfg.objects) if cfg.instances else None
    tiles = data.tiles
    if numbering is not None:
        if not labelled:
            raise ValueError(f"instances=true: data.split={data.split} has no masks to score objects against")
        if tiles is not None:
            raise ValueError("instances=true: data.tile cuts objects in parts; data.tile=null inference=slide does not")
        numbering.check(data)
    if cfg.boundary and labelled and tiles is not None:
        raise ValueError(
            "boundary=true: data.tile would count each window as an image; data.tile=null inference=slide does not"
        )
    made("out", places.folder)
    task.inference, task.calibration = inference, Calibration()
    task.net.to(memory_format=task.memory_format)
    width = runs[0].cfg.get("boundary_width") if cfg.boundary_width is None else cfg.boundary_width
    counted = CountImages(places.scores if labelled else None, data, None, width)
    boundaries, throughput = Boundaries(), Throughput()
    no_data = data.no_data(data.split) if cfg.save_predictions and hasattr(data, "no_data") else None
    objects = None if numbering is None else CountObjects(data, numbering)
    quiet()
    trainer = build_trainer(
        cfg,
        None,
        [
            throughput,
            counted,
            *([boundaries] if cfg.boundary and labelled else []),
            *([objects] if objects else []),
            *([WorstImages(places.folder / "worst", data, counted, cfg.worst)] if cfg.worst and labelled else []),
            *(
                [SavePredictions(places.folder / "predictions", data.save_prediction, tiles, no_data)]
                if cfg.save_predictions
                else []
            ),
            *([SavePredictions(places.folder, submit, tiles)] if submit else []),
            *terminal_bar(cfg),
        ],
    )
    trainer.validate(task, data.eval_dataloader(data.split), verbose=False)
    confusion, calibration = task.metrics.compute().cpu().numpy(), task.calibration.compute().cpu().numpy()
    if not trainer.is_global_zero:
        return
    assert counted.scores is not None
    if objects is not None and objects.scores is not None:
        write_objects(places.folder, data.split, objects.scores)
    if labelled:
        rows = class_rows(task, boundaries.counted)
        costs = throughput.costs(trainer, len(counted.scores.names))
        scores = scores_of(task, counted.scores, calibration, rows)
        write(places.folder, cfg, scores | costs, rows, confusion, calibration, counted.scores)
        print_class_table(rows, task.scores)
    if submit:
        pack(places.folder, data)
    log.info("wrote: %s", places.folder)


def has_masks(data: Any) -> bool:
    """Whether the split has masks; another project's data module says nothing of it beforehand."""
    listed = getattr(data, "listed", None)
    return listed is None or any(pair.mask is not None for pair in listed(data.split))
