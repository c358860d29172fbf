"""How soon seglight reaches what the peer ends with, and how much higher it ends in equal time.

    python experiments/benchmarks/time_to_score/measure.py -cn camvid [EPOCHS=14] [SEEDS=0,1,2] [test=true]

For each seed in turn, on the same machine: the peer for EPOCHS epochs, then `python -m seglight.train -cd HERE -cn
camvid` for a third of the peer's training time and for all of it, evaluations included. Writes results.json and
curves.png beside this file; other seeds stay in results.json. test=true: the best checkpoint and the peer's last epoch
are scored on the test split; once, when nothing is to be changed any more.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def peer(epochs: int, seed: int, split: str) -> list[dict[str, float]]:
    out = run("experiments/benchmarks/time_to_score/peer.py", str(epochs), str(seed), split)
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def seglights(config: str, seed: int, seconds: float, folder: Path) -> list[dict[str, float]]:
    """Seconds of training and mIoU of every evaluation of a run that trains for so long."""
    run(
        "-m", "seglight.train", "-cd", str(HERE), "-cn", config, f"seed={seed}", f"trainer.max_time={round(seconds)}",
        f"hydra.run.dir={folder}",
    )  # fmt: skip
    summary = json.loads((folder / "summary.json").read_text())
    each = summary["train_seconds"] / summary["steps"]  # every step costs the same
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/miou")]
    return [{"seconds": each * (int(row["step"]) + 1), "miou": float(row["val/miou"])} for row in rows]


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=HERE.parents[2], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def draw(results: list[dict[str, Any]], target: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, result in enumerate(results):
        for name, colour in (("peer", "#d1701f"), ("third", "#6f9fd8"), ("seglight", "#1f4e8c")):
            points = result[name]
            said = {"third": "seglight in a third of the time"}.get(name, name)
            label = said if number == 0 else None
            axes.plot(
                [p["seconds"] for p in points], [p["miou"] for p in points], color=colour, marker="o", label=label
            )
    axes.set_xlabel("seconds of training")
    axes.set_ylabel("val mIoU")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(target)


def main() -> None:
    arguments = sys.argv[1:]
    config = arguments[arguments.index("-cn") + 1] if "-cn" in arguments else "camvid"
    given = dict(a.split("=", 1) for a in arguments if "=" in a)
    epochs, seeds = int(given.get("EPOCHS", 14)), [int(s) for s in given.get("SEEDS", "0,1,2").split(",")]
    kept = Path(given.get("KEEP", tempfile.mkdtemp()))
    results = []
    for seed in seeds:
        theirs = peer(epochs, seed, "val")
        end, seconds = theirs[-1]["miou"], theirs[-1]["seconds"]
        third = seglights(config, seed, seconds / 3, kept / f"seed{seed}_third")
        folder = kept / f"seed{seed}"
        ours = seglights(config, seed, seconds, folder)
        found = {"seed": seed, "peer": theirs, "third": third, "seglight": ours}
        found["higher_in_a_third"] = max(p["miou"] for p in third) - end
        found["higher_in_equal_time"] = max(p["miou"] for p in ours) - end
        if given.get("test") == "true":
            run("-m", "seglight.evaluate", f"run={folder}", "data.split=test")
            scores = json.loads((folder / "evaluate" / "camvid_test" / "metrics.json").read_text())
            found["test"] = {"seglight": scores["test/miou"], "peer": peer(epochs, seed, "test")[-1]["miou"]}
        results.append(found)
        print({k: v for k, v in found.items() if k not in ("peer", "third", "seglight")}, flush=True)
    file = HERE / "results.json"
    before = json.loads(file.read_text())["runs"] if file.is_file() else []
    results = sorted([*(r for r in before if r["seed"] not in seeds), *results], key=lambda result: result["seed"])
    file.write_text(json.dumps({"cores": os.cpu_count(), "runs": results}, indent=1) + "\n")
    draw(results, HERE / "curves.png")


if __name__ == "__main__":
    main()
