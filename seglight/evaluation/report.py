"""The files of an evaluation: scores, tables of classes and of images, pictures."""

# Shapes: N images, K classes, M bins

from __future__ import annotations

import csv
import json
import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig, OmegaConf

from seglight.calibration import expected_calibration_error
from seglight.metrics import class_table
from seglight.objects.scores import ObjectScores
from seglight.results.boundary_scores import BoundaryScores
from seglight.results.calibration_picture import draw_calibration
from seglight.results.confusion_picture import draw_confusion
from seglight.results.error_kinds import KINDS
from seglight.results.image_scores import ImageScores
from seglight.runs.atomic import written_whole

log = logging.getLogger(__name__)


def class_rows(task: Any, boundaries: BoundaryScores | None) -> list[dict[str, Any]]:
    """One row a class: IoU, accuracy (which is recall), precision, recall, pixels; boundary scores where counted."""
    rows: list[dict[str, Any]] = class_table(task.metrics.compute(), task.metrics.classes)
    for k, row in enumerate(rows):
        row["recall"] = row["accuracy"]
        if boundaries is not None:
            row |= {"boundary_iou": float(boundaries.iou()[k]), "boundary_f": float(boundaries.f()[k])}
    return rows


def scores_of(
    task: Any, images: ImageScores, calibration: NDArray[np.float64], rows: Sequence[dict[str, Any]]
) -> dict[str, float]:
    """Every score under `<split>/`: the task's, calibration, boundaries, and each kind's share of all wrong pixels."""
    wrong = images.wrong().sum(0)
    scores = {
        **{name.removeprefix("val/"): value for name, value in task.scores.items()},
        "ece": expected_calibration_error(calibration),
        **{
            f"errors/{kind}": part / wrong.sum() if wrong.sum() else math.nan
            for kind, part in zip(KINDS, wrong, strict=True)
        },
    }
    for name in ("boundary_iou", "boundary_f"):
        if name in rows[0]:
            values = [row[name] for row in rows if not math.isnan(row[name])]
            scores[name] = float(np.mean(values)) if values else math.nan
    return {f"{images.split}/{name}": float(value) for name, value in scores.items()}


def write(
    folder: Path,
    cfg: DictConfig,
    scores: dict[str, float],
    rows: Sequence[dict[str, Any]],
    confusion: NDArray[np.int64],
    calibration: NDArray[np.float64],
    images: ImageScores,
) -> None:
    """Every file whole, metrics.json last: where it is, the others are."""
    classes = [str(name) for name in images.classes]
    what = f"{images.data}, {images.split}"
    write_table(folder / "per_class.csv", list(rows[0]), (row.values() for row in rows))
    counts = ([name, *row] for name, row in zip(classes, confusion.tolist(), strict=True))
    write_table(folder / "confusion.csv", ["truth \\ prediction", *classes], counts)
    write_table(folder / "images.csv", ["name", "miou", "pixel_acc", "pixels", *KINDS], image_rows(images))
    write_table(folder / "calibration.csv", ["from", "to", "pixels", "confidence", "accuracy"], bins(calibration))
    error = scores[f"{images.split}/ece"]
    for name, figure in (
        ("confusion.png", draw_confusion(confusion, classes, f"{what}: mIoU {scores[f'{images.split}/miou']:.4f}")),
        ("calibration.png", draw_calibration(calibration, error, what)),
    ):
        with written_whole(folder / name, "wb") as file:
            figure.savefig(file, format="png")
    plain = {name: None if math.isnan(value) else value for name, value in scores.items()}
    with written_whole(folder / "metrics.json") as file:
        file.write(json.dumps({**plain, **settings(cfg)}, indent=2) + "\n")


def write_objects(folder: Path, split: str, objects: ObjectScores) -> None:
    """How well objects are found: `instances.csv` (a row a class) and `instances.json` (the means)."""
    means, rows = objects.compute()
    write_table(folder / "instances.csv", list(rows[0]), (row.values() for row in rows))
    plain = {f"{split}/{name}": None if math.isnan(value) else value for name, value in means.items()}
    with written_whole(folder / "instances.json") as file:
        file.write(json.dumps(plain, indent=2) + "\n")
    log.info("objects: %s", ", ".join(f"{name} {value:.4f}" for name, value in means.items()))


def settings(cfg: DictConfig) -> dict[str, Any]:
    """What the scores depend on beside the data."""
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    chosen = {
        group: {"name": cfg.axes[group]}
        | {key: value for key, value in plain[group].items() if key[0] != "_" and key != "inference"}
        for group in ("inference", "tta")
    }
    devices = {"precision": plain["trainer"]["precision"], "devices": plain["trainer"]["devices"]}
    return {key: plain[key] for key in ("run", "checkpoint", "fold_norms")} | chosen | devices


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """A CSV file, whole or not at all."""
    with written_whole(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows(rows)


def image_rows(images: ImageScores) -> Iterable[list[Any]]:
    """Each image's row, in the order of the split."""
    pixels = images.gt.sum(1)
    right = images.tp.sum(1) / np.maximum(pixels, 1)
    columns = (images.names, images.miou(), np.where(pixels > 0, right, np.nan), pixels, *images.wrong().T)
    return (list(row) for row in zip(*(column.tolist() for column in columns), strict=True))


def bins(calibration: NDArray[np.float64]) -> Iterable[list[float]]:
    """Each bin's row: its edges, pixels, mean confidence and accuracy."""
    edges = np.linspace(0, 1, len(calibration) + 1)
    for low, high, (pixels, right, sure) in zip(edges[:-1], edges[1:], calibration, strict=True):
        yield [low, high, int(pixels), sure / pixels if pixels else math.nan, right / pixels if pixels else math.nan]
