"""Seconds and memory of a prediction as images grow from 256 to 4096 pixels a side, and of an epoch as there are more.

    python experiments/benchmarks/scaling/measure.py

Every point in a process of its own. Writes results.json, results.md and scaling.png beside this file. "bend" is the
largest distance of a point from the straight line through the first and the last one, as a share of the last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SIDES, IMAGES = (256, 512, 1024, 2048, 3072, 4096), (200, 500, 1000, 2000)
NETWORK = ("model=unet", "encoder=resnet18", "encoder.weights=null")


def of_side(side: int) -> dict[str, float]:
    """A whole image through the network, in its precision at evaluation."""
    import torch

    import seglight
    from seglight.inference import Inference
    from seglight.peak_memory import peak_memory, reset_peak_memory

    net = seglight.build_model(seglight.compose(*NETWORK)).eval().to(memory_format=torch.channels_last)
    image = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        Inference()(net, image[..., :256, :256])
        reset_peak_memory()
        before, start = peak_memory(), time.perf_counter()
        Inference()(net, image)
        return {"x": side * side / 1e6, "seconds": time.perf_counter() - start, "mb": (peak_memory() - before) / 1e6}


def of_images(count: int) -> dict[str, float]:
    """One epoch of a small network over so many drawn images, with its evaluation, as the command runs it."""
    import seglight
    from seglight.config import resolve
    from seglight.runs.run import Run
    from seglight.training.fit import fit

    cfg = resolve(seglight.compose(
        "model=unet_small", "data=shapes", f"data.train_images={count}", "data.val_images=16", "data.size=64",
        "data.crop_size=64", "data.batch_size=8", "trainer.max_epochs=1", "trainer.accelerator=cpu", "predictions=0",
    ))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", cfg, [])
        start = time.perf_counter()
        fit(run)
        return {"x": count, "seconds": time.perf_counter() - start, "mb": run.summary["peak_memory_mb"]}


def measured(kind: str, value: int) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), kind, str(value)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=HERE.parents[2])
    return dict(json.loads(done.stdout.splitlines()[-1]))


def bend(points: list[dict[str, float]], what: str) -> float:
    first, last = points[0], points[-1]
    slope = (last[what] - first[what]) / (last["x"] - first["x"])
    return max(abs(p[what] - first[what] - slope * (p["x"] - first["x"])) for p in points) / last[what]


def draw(results: dict[str, list[dict[str, float]]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subplots(2, 2)
    for row, (kind, label) in enumerate((("side", "million pixels"), ("images", "training images"))):
        for column, what in enumerate(("seconds", "mb")):
            panel, points = panels[row][column], results[kind]
            panel.plot([p["x"] for p in points], [p[what] for p in points], marker="o", color="#1f4e8c")
            panel.set_xlabel(label)
            panel.set_ylabel({"seconds": "seconds", "mb": "peak MB"}[what])
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
    figure.savefig(HERE / "scaling.png")


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps({"side": of_side, "images": of_images}[sys.argv[1]](int(sys.argv[2]))))
        return
    results = {
        "side": [measured("side", side) for side in SIDES],
        "images": [measured("images", count) for count in IMAGES],
    }
    lines = ["| | seconds | peak MB |", "|---|---:|---:|"]
    for kind, label in (("side", "{:.2f} million pixels"), ("images", "{:.0f} training images, one epoch")):
        for p in results[kind]:
            lines.append(f"| {label.format(p['x'])} | {p['seconds']:.2f} | {p['mb']:.0f} |")
        lines.append(f"| bend | {bend(results[kind], 'seconds'):.1%} | {bend(results[kind], 'mb'):.1%} |")
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "results.md").write_text("\n".join(lines) + "\n")
    draw(results)


if __name__ == "__main__":
    main()
