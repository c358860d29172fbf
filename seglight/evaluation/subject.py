"""What is evaluated: one run or an ensemble, whether it fits the data, and where its results go."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import nn

from seglight.config import conf_dir
from seglight.data.fingerprint import fingerprint
from seglight.data.prediction import inside
from seglight.inference import Ensemble
from seglight.models.folding import fold_norms
from seglight.overrides import paths_of
from seglight.results.image_scores import scores_file
from seglight.runs.run import Run, load_run
from seglight.values import one_of, shortened, typed

log = logging.getLogger(__name__)

USUAL = ("best", "whole", "none")  # checkpoint, inference and tta that a run's own scores come from
# Keys of `data` that do not change what an evaluation counts; the split is in the name, `root` is looked into.
NO_CHANGE = (
    "split", "train_split", "augment", "crop_size", "scale", "rare_classes", "batch_size", "eval_batch_size",
    "num_workers", "seed", "root", "cache", "cache_dir", "draw_with_replacement", "on_error", "allow_single_class",
    "fraction", "train_images", "val_images", "test_images",
)  # fmt: skip
# Those that say which images are trained on and which are evaluated.
DIVIDING = ("folds", "fold", "fold_seed", "val_fraction", "split_seed", "group", "stratify")
WRITTEN = (
    "metrics.json", "per_class.csv", "confusion.csv", "confusion.png", "calibration.csv", "calibration.png",
    "instances.json", "instances.csv",
    "images.csv", "predictions", "worst", "results", "cityscapes_results",
)  # fmt: skip


def runs_of(cfg: DictConfig) -> list[Run]:
    """The runs that `run` and `checkpoint` name: each run at each checkpoint."""
    return [load_run(path, which, cfg.trust) for path in paths_of(cfg.run) for which in checkpoints(cfg)]


def checkpoints(cfg: DictConfig) -> list[str]:
    """The checkpoints that are asked for: best, last, or both."""
    asked = [cfg.checkpoint] if isinstance(cfg.checkpoint, str) else list(cfg.checkpoint)
    return [one_of("checkpoint", which, ("best", "last")) for which in asked or [typed(asked)]]


def network(runs: Sequence[Run], folded: bool = False) -> nn.Module:
    """The network of a run, or the ensemble of several: the mean of their probabilities; norms folded or not."""
    for run in runs if folded else ():
        net: Any = run.net
        count = fold_norms(net, torch.zeros(1, net.encoder.normalize.channels, 256, 256, dtype=torch.uint8))
        log.info("fold_norms=true: %d norms of %s", count, run.path)
    return runs[0].net if len(runs) == 1 else Ensemble([run.net for run in runs])


def check_classes(data: Any, run: Run) -> None:
    """ValueError where a data set has other classes than the run learned, or another order of them."""
    name, trained = f"data={data.name}", run.cfg.data
    advice = "evaluate it on a data set with the same classes in the same order"
    if data.num_classes != trained.num_classes:
        raise ValueError(
            f"{name} has {data.num_classes} classes, {run.path} was trained on {trained.num_classes} "
            f"(data={trained.name}): {advice}"
        )
    learned, given = run.summary.get("classes"), getattr(data, "classes", None)
    if learned and given and list(given) != learned:  # another project's data module may have no names
        raise ValueError(
            f"{name} has the classes {shortened(given)}; {run.path} was trained on {shortened(learned)} "
            f"(data={trained.name}): {advice}, and under the same names"
        )


def choice(cfg: DictConfig, group: str) -> str:
    """The option of a group, with the values that are not its own: `slide_crop400`."""
    usual, name = values_of(group, cfg.axes[group]), cfg.axes[group]
    given = {key: value for key, value in cfg[group].items() if key != "inference" and value != usual.get(key)}
    words = [
        key + "x".join(map(str, value if isinstance(value, ListConfig) else [value])) for key, value in given.items()
    ]
    return "_".join([name, *words] if name not in USUAL else words) or name


def changes(cfg: DictConfig, run: Run, data: Any) -> list[str]:
    """What else makes it another evaluation than the run's own: `fold1`, `tile64`, `root-holidays`, `bf16-mixed`."""
    own, given = run.cfg.data, cfg.data
    names = []
    if [given.get(key) for key in ("_target_", "name")] == [own.get(key) for key in ("_target_", "name")]:
        names = [key + written(given[key]) for key in differing(given, own) if key not in NO_CHANGE]
        if given.get("root") != own.get("root") and hasattr(data, "listed"):
            trained_on = (run.summary.get("data_hash") or {}).get(str(data.split))
            if trained_on is None or fingerprint(data.listed(data.split)) != trained_on:
                names.append(f"root-{Path(str(given.root)).resolve().name}")
    precision = cfg.trainer.get("precision")
    return names if precision == run.cfg.trainer.get("precision") else [*names, str(precision)]


def differing(given: DictConfig, own: DictConfig) -> list[str]:
    """The keys of both that have other values in one than in the other."""
    return [str(key) for key in given if key in own and given[key] != own[key]]


def written(value: Any) -> str:
    """A value in a file's name."""
    plain = OmegaConf.to_container(value) if isinstance(value, ListConfig | DictConfig) else value
    return re.sub(r"[^\w.-]+", "-", str(plain)).strip("-")[:40]


def values_of(group: str, name: str) -> DictConfig:
    """What an option of a group sets, as its file stands; nothing where the option is somebody's own."""
    path = conf_dir() / group / f"{name}.yaml"
    stored = cast(DictConfig, OmegaConf.load(path)) if path.is_file() else OmegaConf.create()
    parents = [values_of(group, parent) for parent in stored.pop("defaults", []) if parent != "_self_"]
    return cast(DictConfig, OmegaConf.merge(*parents, stored))


def warn_of_training_images(cfg: DictConfig, run: Run) -> None:
    """Says where a split is divided otherwise than it was for the run, so that training images are among its images."""
    own, given = run.cfg.data, cfg.data
    other = [f"data.{key}={given[key]}" for key in differing(given, own) if key in DIVIDING]
    if given.get("name") == own.get("name") and other:
        log.warning(
            "%s: %s was trained on another part, so it has seen some of these images", ", ".join(other), run.path
        )


@dataclass(frozen=True)
class Places:
    """Where results go: `folder` takes the files that people read, `scores` the counts of each image."""

    folder: Path
    scores: Path

    @classmethod
    def of(cls, cfg: DictConfig, runs: Sequence[Run], data: Any) -> Places:
        """In the run; what is not the usual way to evaluate is in the names. `out` is another folder.

        ValueError where an ensemble has none, and where a name or a link leads out of the folder.
        """
        named = ["_".join(checkpoints(cfg)), *(choice(cfg, group) for group in ("inference", "tta"))]
        named += changes(cfg, runs[0], data)
        own = runs[0].cfg.get("boundary_width")
        if cfg.fold_norms:
            named.append("folded")
        if cfg.boundary_width is not None and cfg.boundary_width != own:
            named.append(f"boundary{cfg.boundary_width:g}")
        split = "_".join([str(data.split), *(name for name in named if name not in USUAL)])
        if cfg.out is not None:
            base = Path(cfg.out)
            places = cls(base, scores_file(base, data.name, data.split))
        elif len({run.path for run in runs}) > 1:
            raise ValueError("an ensemble is no run's own: out=... is needed, the folder for its results")
        else:
            run = runs[0].path
            places = cls(inside(inside(run, "evaluate"), f"{data.name}_{split}"), scores_file(run, data.name, split))
        for name in WRITTEN:
            inside(places.folder, name)  # a link in somebody else's run
        return places
