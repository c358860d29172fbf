"""The runs to compare: found, read, and refused where their scores are not of the same images."""

# Shapes: N images, K classes, M runs

from __future__ import annotations

import glob
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from statistics import mean, stdev
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from seglight.colours import Colour, voc_colours
from seglight.results.error_kinds import KINDS
from seglight.results.image_scores import ImageScores
from seglight.runs.run import Run, sweep_runs
from seglight.values import shortened


@dataclass(frozen=True)
class SplitCounts:
    """The scores of one evaluation, sorted by image: `names` [N], `classes` [K], counts [N, K], `kinds` [N, 4]."""

    evaluation: str
    names: list[str]
    classes: list[str]
    tp: NDArray[np.int64]
    gt: NDArray[np.int64]
    pred: NDArray[np.int64]
    kinds: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path) -> SplitCounts:
        """ValueError names a file that cannot be read, or whose counts contradict each other."""
        scores = ImageScores.read(path)
        tp, gt, pred = (np.asarray(count, np.int64) for count in (scores.tp, scores.gt, scores.pred))
        kinds = np.stack([np.asarray(getattr(scores, kind), np.int64) for kind in KINDS], -1)
        names = [str(name) for name in scores.names]
        if not names:
            raise ValueError(f"{path}: no image was evaluated")
        shape = (len(names), len(scores.classes))
        if not tp.shape == gt.shape == pred.shape == shape or kinds.shape != (len(names), len(KINDS)):
            raise ValueError(f"{path}: its counts are not of its {shape[0]} images and {shape[1]} classes")
        if (tp > np.minimum(gt, pred)).any() or (tp < 0).any():
            raise ValueError(f"{path}: more pixels of a class are right than there are, or than were predicted")
        order = sorted(range(len(names)), key=names.__getitem__)
        sorted_names, classes = [names[at] for at in order], [str(name) for name in scores.classes]
        return cls(path.stem, sorted_names, classes, tp[order], gt[order], pred[order], kinds[order])


@dataclass(frozen=True)
class ComparedRun:
    """A run with scores of images: its name among the runs compared, and its counts of each evaluation."""

    name: str
    run: Run
    counts: list[SplitCounts]

    @cached_property
    def summary(self) -> dict[str, Any]:
        return self.run.summary

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.yaml, read by libyaml: of 200 runs, OmegaConf's own reader would be most of the time."""
        return config_of(self.run)

    @property
    def seed(self) -> Any:
        return self.config.get("seed")

    @property
    def palette(self) -> list[Colour]:
        """The colour of each class: the data set's own, or VOC's."""
        colours = self.summary.get("palette") or voc_colours(len(self.counts[0].classes))
        return [(red, green, blue) for red, green, blue in colours]

    @cached_property
    def tp(self) -> NDArray[np.int64]:
        """[N, K] of all its evaluations' images."""
        return np.concatenate([counts.tp for counts in self.counts])

    @cached_property
    def pred(self) -> NDArray[np.int64]:
        return np.concatenate([counts.pred for counts in self.counts])

    @cached_property
    def gt(self) -> NDArray[np.int64]:
        return np.concatenate([counts.gt for counts in self.counts])

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        return np.concatenate([counts.kinds for counts in self.counts])

    @property
    def names(self) -> list[str]:
        return [name for counts in self.counts for name in counts.names]


def find_runs(places: Sequence[str | Path]) -> list[Run]:
    """Every run in these folders and globs, once. ValueError names a place without any."""
    runs: dict[str, Run] = {}
    for place in places:
        text = os.path.expanduser(str(place))
        found = [text] if os.path.exists(text) else sorted(glob.glob(text, recursive=True))
        inside = [run for path in found if os.path.isdir(path) for run in runs_inside(Path(path))]
        if not inside:
            what = "no run lies there" if found else "there is no such folder"
            raise ValueError(f"runs={place}: {what}; expected a run's folder, a folder of runs, or a glob of them")
        for run in inside:
            runs.setdefault(os.path.realpath(run.path), run)
    return list(runs.values())


def runs_inside(folder: Path) -> list[Run]:
    """The run that a folder is, or those in it, however deep; a run's own folders are not looked into."""
    if (folder / "config.yaml").is_file() and (folder / "summary.json").is_file():
        return [Run(folder)]
    direct = [run for run in sweep_runs(folder) if (run.path / "summary.json").is_file()]
    taken = {run.path for run in direct}
    deeper = sorted(path for path in folder.iterdir() if path.is_dir() and path not in taken) if folder.is_dir() else []
    return [*direct, *(run for path in deeper if not path.is_symlink() for run in runs_inside(path))]


def config_of(run: Run) -> dict[str, Any]:
    """A run's config as plain values; ValueError names a file that is none."""
    path = run.path / "config.yaml"
    try:
        config = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} cannot be read as a config: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict) or not isinstance(config.get("data"), dict):
        raise ValueError(f"{path} is not the config of a run")
    return config


def short_names(runs: Sequence[Run]) -> list[str]:
    """The last parts of each path, as many as it takes to tell all runs apart."""
    parts = [Path(os.path.abspath(run.path)).parts for run in runs]
    for count in range(1, max((len(p) for p in parts), default=1) + 1):
        names = ["/".join(p[-count:]) for p in parts]
        if len(set(names)) == len(names) and (count > 1 or not all(name.isdigit() for name in names)):
            return names
    return [str(run.path) for run in runs]


def read_runs(runs: Sequence[Run], evaluations: Sequence[str] = ()) -> tuple[list[ComparedRun], list[str]]:
    """The runs that have scores, and a line for each that is left out and why.

    evaluations: names of `scores/<data>_<split>.npz`; without any, each run's own data and split.
    """
    read, left_out = [], []
    for name, run in zip(short_names(runs), runs, strict=True):
        status = run.summary.get("status")
        data = config_of(run)["data"]
        wanted = list(evaluations) or [f"{data.get('name')}_{data.get('split', 'val')}"]
        files = [run.path / "scores" / f"{evaluation}.npz" for evaluation in wanted]
        if status not in ("completed", None):
            left_out.append(f"{name} is left out: it is {status}")
        elif was_cut(run):
            left_out.append(f"{name} is left out: halving ended it early, at epoch {run.summary.get('epochs')}")
        elif lacking := [file for file in files if not file.is_file()]:
            split = lacking[0].stem.rpartition("_")[2]
            command = f"python -m seglight.evaluate {quote(f'run={run.path}')}"
            command += f" data.split={split}" if evaluations and split != data.get("split", "val") else ""
            left_out.append(f"{name} is left out: it has no scores/{lacking[0].name}; `{command}` writes it")
        else:
            read.append(ComparedRun(name, run, [SplitCounts.read(file) for file in files]))
    return read, [*left_out, *drop_unlike_latencies(read)]


def was_cut(run: Run) -> bool:
    """Whether a halving sweep has given a run fewer epochs than others."""
    file = run.path.parent / "halving.json"
    if not file.is_file():
        return False
    try:
        rungs = json.loads(file.read_text())["jobs"]
        return run.path.name in rungs[0] and run.path.name not in rungs[-1]
    except (ValueError, TypeError, LookupError):
        raise ValueError(f"{file} is not the record of a halving sweep; without it every run is compared") from None


def drop_unlike_latencies(runs: Sequence[ComparedRun]) -> list[str]:
    """Takes `latency_ms` from all runs where it was not measured alike, and says so in a line."""
    measured = [run for run in runs if "latency_ms" in run.summary]
    ways = Counter(str(run.summary.get("latency_at")) for run in measured)
    if len(ways) < 2:
        return []
    for run in measured:
        del run.summary["latency_ms"]
    told = "; ".join(f"{count} at {way}" for way, count in ways.items())
    return [f"latency_ms is left out, for it was measured in several ways: {told}"]


def refuse_different(runs: Sequence[ComparedRun]) -> None:
    """ValueError where runs were not scored on the same images, ground truth and classes; it names them by group."""
    advice = (
        "compare them apart, or evaluate all of them alike: python -m seglight.evaluate run=RUN data=... data.split=..."
    )
    kinds: tuple[tuple[str, Callable[[ComparedRun], Any]], ...] = (
        ("data sets or splits", lambda run: ", ".join(counts.evaluation for counts in run.counts)),
        ("classes", lambda run: tuple(name for counts in run.counts for name in counts.classes)),
        ("images", lambda run: tuple(run.names)),
        ("ground truth", lambda run: run.gt.tobytes()),
    )
    for what, key in kinds:
        groups: dict[Any, list[ComparedRun]] = defaultdict(list)
        for run in runs:
            groups[key(run)].append(run)
        if len(groups) > 1:
            told = "; ".join(f"{shortened([run.name for run in g])} {described(what, g[0])}" for g in groups.values())
            raise ValueError(f"these runs were scored on different {what}: {told}. {over_folds(runs) or advice}")
    for run in runs[:1]:
        tables = {tuple(counts.classes) for counts in run.counts}
        if len(tables) > 1:
            raise ValueError(f"scores={[c.evaluation for c in run.counts]}: they have different classes")
        twice = [name for counts in run.counts for name, count in Counter(counts.names).items() if count > 1]
        if twice:
            raise ValueError(f"{run.name}: its scores name {shortened(twice)} twice; an image is to count once")


def over_folds(runs: Sequence[ComparedRun]) -> str:
    """What runs of different folds are for, whose images cannot be alike: their mean; empty where they are no folds."""
    folds = {(run.config.get("data") or {}).get("fold") for run in runs}
    scores = [score for run in runs if (score := run.summary.get("val/miou")) is not None]
    if len(folds) == 1 or len(scores) < len(runs):
        return ""
    return (
        f"They are folds: over {len(folds)} of them val/miou is {mean(scores):.4f} in the mean, with a standard "
        f"deviation of {stdev(scores):.4f}; compare runs of one fold, or evaluate each on data that none was trained on"
    )


def described(what: str, run: ComparedRun) -> str:
    """What a group of runs was scored on."""
    if what == "data sets or splits":
        return f"on {', '.join(counts.evaluation for counts in run.counts)}"
    if what == "classes":
        return f"on the {len(run.counts[0].classes)} classes {shortened(run.counts[0].classes)}"
    if what == "images":
        return f"on {len(run.names)} images ({shortened(run.names, 3)})"
    return f"on {int(run.gt.sum()):,} labelled pixels"
