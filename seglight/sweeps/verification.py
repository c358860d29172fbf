"""Whether a run's row can be had again: trained anew from what the run stores, and compared with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from scipy.stats import t as student

from seglight.callbacks.summary import PACKAGES
from seglight.config import build
from seglight.data.fingerprint import fingerprints
from seglight.results.compared import ComparedRun, read_runs
from seglight.results.comparison import Comparison
from seglight.results.estimate import LEVEL
from seglight.runs.run import Run, load_run
from seglight.training.job import train_run


def pick(runs: Sequence[Run], n: int, seed: int) -> list[Run]:
    """n of the completed runs, at random."""
    done = [run for run in runs if run.summary.get("status") == "completed"]
    if not done:
        raise ValueError("none of these runs is completed: there is nothing to verify")
    return random.Random(seed).sample(done, min(n, len(done)))


def changed_data(run: Run, trust: bool = False) -> list[str]:
    """The splits whose files are not those that the run was trained on; known before any training."""
    stored = run.summary.get("data_hash") or {}
    now = fingerprints(build(load_run(run.path, trust=trust).cfg, "data")) if stored else {}
    return [split for split, hashed in stored.items() if now.get(split) != hashed]


def train_again(run: Run, folder: Path, trust: bool = False) -> Run:
    """The run's config as a new run in `folder`, trained to its end without its loggers."""
    cfg = load_run(run.path, trust=trust).cfg.copy()
    OmegaConf.set_struct(cfg, False)
    cfg.logger = {}
    again = Run.create(folder, cfg, run.overrides)
    train_run(again)
    return again


def judged(run: Run, again: Run, runs: Sequence[Run]) -> tuple[bool, str]:
    """Whether it came out, and in which words: bit for bit, or as near as another seed comes.

    runs: those beside it, which say how much seeds move a score.
    """
    (old, new), _ = read_runs([run, again])
    if same(old, new) and same_weights(run, again):
        return True, "came out bit for bit: every count of every image, every weight"
    elsewhere = differences(run, again)
    one, other = (Comparison.of([compared], resamples=100).scores.overall["miou"][0] for compared in (old, new))
    gap = f"mIoU {100 * one:.2f} then, {100 * other:.2f} now"
    if not elsewhere:
        return False, f"did NOT come out, on the same device and versions: {gap}"
    reason = f"{gap}; other than then: {', '.join(elsewhere)}"
    sd, freedom = seed_spread(runs)
    if sd is None:
        return False, f"is not the same: {reason}. No cell has two seeds, so how much is chance is not known"
    margin = float(student.ppf((1 + LEVEL) / 2, freedom)) * sd * 2**0.5
    inside = abs(one - other) <= margin
    words = "inside" if inside else "OUTSIDE"
    return bool(inside), f"is {words} the interval of another seed ({100 * margin:.2f} either way): {reason}"


def same(old: ComparedRun, new: ComparedRun) -> bool:
    """Whether every image has the same counts."""
    pairs = ((old.tp, new.tp), (old.gt, new.gt), (old.pred, new.pred), (old.kinds, new.kinds))
    return old.names == new.names and all(np.array_equal(one, other) for one, other in pairs)


def same_weights(run: Run, again: Run) -> bool:
    """Whether both best checkpoints hold the same network; where one was removed, the counts alone decide."""
    if not run.checkpoint_path().is_file():
        return True
    one, other = run.weights(), again.weights()
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def differences(run: Run, again: Run) -> list[str]:
    """What is not as it was: device, precision, the versions of packages."""
    then, now = run.summary, again.summary
    found = [
        f"{key} {then.get(key)} -> {now.get(key)}"
        for key in ("device", "devices", "precision", "host", "git_commit")
        if then.get(key) != now.get(key)
    ]
    versions: Any = (then.get("versions") or {}, now.get("versions") or {})
    return found + [
        f"{name} {versions[0].get(name)} -> {versions[1].get(name)}"
        for name in ("seglight", "python", *PACKAGES)
        if versions[0].get(name) != versions[1].get(name)
    ]


def seed_spread(runs: Sequence[Run]) -> tuple[float | None, int]:
    """The standard deviation between seeds over all cells with several, and its degrees of freedom."""
    try:
        estimate = Comparison.of(read_runs(runs)[0], resamples=100).estimate
    except ValueError:
        return None, 0
    return estimate.seed_sd, estimate.freedom
