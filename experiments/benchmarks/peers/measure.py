"""Training steps of seglight and of its peers: every block a process of its own, in turn, round after round.

    python experiments/benchmarks/peers/measure.py [ROUNDS=3] [STEPS=8] [DEVICE=cpu|cuda]

Writes results.json, results.md and steps.png beside this file (results_cuda.json and so on of a GPU). Figures are
medians over the rounds' medians; ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
DEVICE = "cuda" if "DEVICE=cuda" in sys.argv else "cpu"
TIMES, OF = (8, "_cuda") if DEVICE == "cuda" else (1, "")
CELLS = {
    "smp_unet": f"SMP Unet resnet18, {4 * TIMES} x 352",
    "torchvision_fcn": f"torchvision fcn_resnet50, {2 * TIMES} x 320",
    "pytorch_fcn": "pytorch-fcn FCN-8s, 375 x 500",
}
BLOCKS = ("peer", "peer_fast", "seglight", "floor")


def block(cell: str, who: str, steps: int) -> dict[str, float]:
    command = [sys.executable, str(HERE / "block.py"), cell, who, str(steps), DEVICE]
    done = subprocess.run(command, cwd=HERE.parents[2], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ratio(rounds: list[dict[str, Any]], over: str, under: str) -> float:
    return statistics.median(each[over]["seconds"] / each[under]["seconds"] for each in rounds)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| training step | peer | peer in channels_last, seglight's precision | seglight | convolutions alone "
        "| peer / seglight | fast peer / seglight | seglight / convolutions | peak MB: peer, fast peer, seglight |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for cell, rounds in results.items():
        seconds = [f"{statistics.median(each[who]['seconds'] for each in rounds):.4g} s" for who in BLOCKS]
        ratios = [
            f"{ratio(rounds, *pair):.2f}"
            for pair in (("peer", "seglight"), ("peer_fast", "seglight"), ("seglight", "floor"))
        ]
        peaks = [f"{statistics.median(e[w]['peak_mb'] for e in rounds):.0f}" for w in BLOCKS[:3]]
        lines.append(f"| {CELLS[cell]} | {' | '.join([*seconds, *ratios])} | {', '.join(peaks)} |")
    return "\n".join(lines) + "\n"


def draw(results: dict[str, list[dict[str, Any]]], target: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for panel, (cell, rounds) in zip(panels, results.items(), strict=True):
        values = [statistics.median(each[who]["seconds"] for each in rounds) for who in BLOCKS]
        panel.barh(BLOCKS, values, color=["#d1701f", "#e5b080", "#1f4e8c", "#888888"])
        panel.invert_yaxis()
        panel.set_title(CELLS[cell], fontsize=9)
        panel.set_xlabel("seconds a step")
    figure.savefig(target)


def main() -> None:
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    rounds, steps = int(given.get("ROUNDS", 3)), int(given.get("STEPS", 8))
    results: dict[str, list[dict[str, Any]]] = {cell: [] for cell in CELLS}
    for _ in range(rounds):
        for cell, seen in results.items():
            seen.append({who: block(cell, who, steps) for who in BLOCKS})
            print(cell, {who: round(found["seconds"], 3) for who, found in seen[-1].items()}, flush=True)
    (HERE / f"results{OF}.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / f"results{OF}.md").write_text(table(results))
    draw(results, HERE / f"steps{OF}.png")


if __name__ == "__main__":
    main()
