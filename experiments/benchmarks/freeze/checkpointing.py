"""What gradient checkpointing (`encoder.checkpointing=true`) saves in memory and costs in time.

    python experiments/benchmarks/freeze/checkpointing.py

One training step on four images of 256 x 256 pixels, gradients included, each in a process of its own, three rounds in
turn. Writes checkpointing.md beside this file: medians, memory as the growth of the process's peak.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ENCODERS, ROUNDS = ("resnet50", "vit_small"), 3


def step(encoder: str, checkpointing: str) -> tuple[float, float]:
    """Megabytes and seconds of a step."""
    import torch

    import seglight
    from seglight.peak_memory import peak_memory, reset_peak_memory

    typed = [f"encoder={encoder}", "encoder.weights=null", "decoder=linear", "skips=none"]
    net = seglight.build_model(seglight.compose(*typed, f"encoder.checkpointing={checkpointing}")).train()
    images = torch.randint(0, 256, (4, 3, 256, 256), dtype=torch.uint8)
    net(images[:1, :, :64, :64]).mean().backward()  # what is made once
    reset_peak_memory()
    before, start = peak_memory(), time.perf_counter()
    net(images).float().mean().backward()
    return (peak_memory() - before) / 1e6, time.perf_counter() - start


def main() -> None:
    if len(sys.argv) == 3:
        print(*step(*sys.argv[1:]))
        return
    rows = ["| encoder | MB | with checkpointing | s | with checkpointing |", "|---|---:|---:|---:|---:|"]
    for encoder in ENCODERS:
        found: dict[str, list[list[float]]] = {"false": [], "true": []}
        for _ in range(ROUNDS):
            for how, values in found.items():
                command = [sys.executable, __file__, encoder, how]
                said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1]
                values.append([float(value) for value in said.split()])
        (mb, s), (mb_less, s_more) = ([median(v) for v in zip(*found[how], strict=True)] for how in ("false", "true"))
        rows.append(f"| {encoder} | {mb:.0f} | {mb_less:.0f} | {s:.1f} | {s_more:.1f} |")
    (HERE / "checkpointing.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
