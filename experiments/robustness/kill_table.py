"""Kills runs at random moments with SIGKILL, resumes them, and compares each with the run that nobody stopped.

Every fourth one is killed while a checkpoint is being written.

    python experiments/robustness/kill_table.py [FOLDER] [--kills 20] [--seed 0] [OPTION=VALUE ...]

prints one row a kill and exits with 1 where a resumed run differs from the uninterrupted one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

SMALL = (
    "data=shapes", "data.train_images=96", "data.val_images=16", "data.size=64", "data.crop_size=64",
    "data.batch_size=4", "data.num_workers=1", "trainer.max_epochs=4", "trainer.accelerator=cpu",
    "trainer.log_every_n_steps=1",
)  # fmt: skip
NOT_COMPARED = ("train_seconds", "images_per_second", "git_commit", "peak_memory_mb")


def differences(run: Path, other: Path) -> list[str]:
    """What two runs differ in, apart from times and the commit: checkpoints, scores, logged values."""
    found = []
    for which in ("best", "last"):
        first, second = (torch.load(r / "checkpoints" / f"{which}.ckpt", weights_only=True) for r in (run, other))
        for part in ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers"):
            if not equal(first[part], second[part]):
                found.append(f"{which}.ckpt {part}")
    first, second = (json.loads((r / "summary.json").read_text()) for r in (run, other))
    keys = {*first, *second} - set(NOT_COMPARED)
    found += [f"summary.json {key}" for key in sorted(keys) if first.get(key) != second.get(key)]
    if logged(run) != logged(other):
        found.append("metrics.csv")
    return found


def equal(a: Any, b: Any) -> bool:
    """Whether two nested containers hold the same bits."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def logged(run: Path) -> list[tuple[str, str, str]]:
    """metrics.csv as (step, name, value), without the share of time that was spent waiting."""
    rows = csv.DictReader((run / "metrics.csv").open())
    return sorted((row["step"], k, v) for row in rows for k, v in row.items() if v and k != "train/data_wait")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A training process in a group of its own, its output in `output.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("a") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "seglight.train", *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=output, stderr=output, text=True,
        )  # fmt: skip


def kill_at(seconds: float, process: subprocess.Popen[str]) -> bool:
    """SIGKILL after so many seconds; False where the process had ended before."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True


def kill_while_writing(nth: int, run: Path, process: subprocess.Popen[str]) -> bool:
    """SIGKILL as soon as the nth checkpoint file begins to be written; False where the process had ended before."""
    seen, there = 0, False
    while process.poll() is None:
        before, there = there, any(run.glob("checkpoints/.*.partial"))
        seen += there and not before
        if seen == nth:
            process.kill()
            process.wait()
            return True
        time.sleep(0.0005)
    return False


def state(run: Path) -> str:
    """What the dead process left: the checkpoints with their epochs, and files it was writing."""
    if not (run / "config.yaml").is_file():
        return "no run yet"
    whole = {p.stem: torch.load(p, weights_only=True)["epoch"] + 1 for p in sorted(run.glob("checkpoints/*.ckpt"))}
    partial = [p.name.split(".partial")[0].rsplit(".", 1)[0][1:] for p in run.rglob(".*.partial")]
    text = ", ".join(f"{name} of epoch {epoch}" for name, epoch in whole.items()) or "no checkpoint"
    return text + "".join(f", half-written {name}" for name in partial)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("outputs/kills"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments, options = parser.parse_known_args()
    folder: Path = arguments.folder.resolve()
    whole, began = folder / "whole", time.monotonic()
    assert start(whole, *SMALL, *options, f"hydra.run.dir={whole}").wait() == 0, (whole / "output.txt").read_text()
    length = time.monotonic() - began
    moments = random.Random(arguments.seed)
    failed = 0
    print("| kill | when | what lay there | resumed from | bit-identical |\n|---|---|---|---|---|")
    for number in range(1, arguments.kills + 1):
        run = folder / f"{number:02d}"
        process = start(run, *SMALL, *options, f"hydra.run.dir={run}")
        if number % 4:
            seconds = moments.uniform(0.0, length)
            moment, killed = f"after {seconds:.2f} of {length:.2f} s", kill_at(seconds, process)
        else:
            nth = moments.randint(1, 6)
            moment, killed = f"while checkpoint file {nth} was written", kill_while_writing(nth, run, process)
        left = state(run) if killed else "the run had ended"
        epochs = [int(part.split(" of epoch ")[1]) for part in left.split(", ") if " of epoch " in part]
        again = [f"resume={run}"] if (run / "config.yaml").is_file() else [*SMALL, *options, f"hydra.run.dir={run}"]
        code = start(run, *again).wait()
        found = differences(whole, run) if code == 0 else [f"exit code {code}"]
        failed += bool(found)
        answer = "yes" if not found else f"no: {', '.join(found)}"
        source = f"epoch {max(epochs)}" if epochs else "the start"  # the newer one of best and last
        print(f"| {number} | {moment} | {left} | {source} | {answer} |", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
