"""The most memory that `predict` needs for GeoTIFFs of growing size; writes results.md and memory.png beside this file.

python measure.py RUN [SIDE ...]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib
import numpy as np
import rasterio
from matplotlib.figure import Figure
from rasterio.windows import Window

from seglight.runs.run import load_run

SIDES = (2_000, 5_000, 10_000, 20_000)
PART = 1_000  # pixels written at a time
MARGIN = 32  # covers the receptive field of a small network
HERE = Path(__file__).parent
MB = 2**20

Row = tuple[int, float, float]  # side in pixels, MB, seconds


def write_raster(path: Path, side: int) -> None:
    """RGB, uint8, in compressed blocks: coarse colours with noise."""
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.integers(8, 248, (3, 50, 50)), np.ones((1, PART // 50, PART // 50), int))
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": side, "height": side}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    place = rasterio.transform.from_origin(500_000, 5_000_000, 0.5, 0.5)
    with (
        rasterio.Env(GDAL_CACHEMAX=64 * MB),
        rasterio.open(path, "w", crs="EPSG:32633", transform=place, **profile, **layout) as file,
    ):
        for top in range(0, side, PART):
            for left in range(0, side, PART):
                part = (coarse + rng.integers(-8, 8, coarse.shape)).astype(np.uint8)
                file.write(part, window=Window(left, top, PART, PART))


def measured(run: str, raster: Path, out: Path) -> tuple[float, float]:
    """The peak of the command's resident memory in MB, and its seconds.

    A process inherits the peak of the one that starts it, so this one has to stay small: it imports no torch before.
    """
    given = [f"run={run}", f"source={raster}", f"out={out}", "device=cpu", f"margin={MARGIN}"]
    command = [sys.executable, "-m", "seglight.predict", *given]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"predict failed on {raster}")
    return usage.ru_maxrss * 1024 / MB, time.perf_counter() - start


def draw(rows: list[Row], title: str) -> Figure:
    """Peak memory over the side, beside what the raster itself takes in memory."""
    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=150)
    axes = figure.subplots()
    sides = [side for side, _, _ in rows]
    axes.plot(sides, [peak for _, peak, _ in rows], "o-", color="#0072b2", label="peak of predict")
    axes.plot(sides, [3 * side**2 / MB for side in sides], "s--", color="#d55e00", label="the raster's pixels alone")
    axes.set(title=title, xlabel="side of the raster, pixels", ylabel="MB", ylim=(0, None), xticks=sides)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.tick_params(axis="x", rotation=30)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main() -> None:
    run, *sides = sys.argv[1:]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for side in [int(side) for side in sides] or SIDES:
            raster = Path(folder) / f"{side}.tif"
            write_raster(raster, side)
            rows.append((side, *measured(run, raster, Path(folder) / "out")))
            raster.unlink()
            print(row(rows[-1]), flush=True)
    trained = load_run(run)
    parameters = sum(p.numel() for p in trained.net.parameters())
    title = f"{trained.cfg.model_name}, {parameters:,} parameters, {trained.cfg.data.num_classes} classes"
    head = ["| side, pixels | the raster's pixels, MB | peak of `predict`, MB | seconds |", "|---:|---:|---:|---:|"]
    (HERE / "results.md").write_text("\n".join([title, "", *head, *map(row, rows)]) + "\n")
    draw(rows, title).savefig(HERE / "memory.png")


def row(measured: Row) -> str:
    """A line of the table."""
    side, peak, seconds = measured
    return f"| {side:,} | {3 * side**2 / MB:,.0f} | {peak:,.0f} | {seconds:,.0f} |"


if __name__ == "__main__":
    main()
