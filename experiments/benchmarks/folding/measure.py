"""A pass over 4 images of 360 x 480 pixels, norms folded into the convolutions before them (`fold_norms=true`) or not.

    python experiments/benchmarks/folding/measure.py

Every block is a process of its own; blocks run in turn, three rounds; the ratio is the median over rounds.
Writes results.md beside this file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
ENCODERS, ROUNDS, PASSES = ("efficientnet_lite0", "mobilenet_v2", "resnet18", "resnet50"), 3, 5


def seconds(encoder: str, folded: bool) -> float:
    """The median of some passes of U-Net over an encoder."""
    import torch

    import seglight
    from seglight.models.folding import fold_norms

    net = seglight.build_model(seglight.compose("model=unet", f"encoder={encoder}", "encoder.weights=null")).eval()
    net.to(memory_format=torch.channels_last)
    images = torch.randint(0, 256, (4, 3, 360, 480), dtype=torch.uint8)
    if folded:
        fold_norms(net, images[:1, :, :256, :256])
    taken = []
    with torch.inference_mode():
        for _ in range(PASSES + 1):
            start = time.perf_counter()
            net(images)
            taken.append(time.perf_counter() - start)
    return median(taken[1:])


def main() -> None:
    if len(sys.argv) == 3:
        print(seconds(sys.argv[1], sys.argv[2] == "folded"))
        return
    rows = ["| encoder | norms, s | folded, s | times as fast |", "|---|---:|---:|---:|"]
    for encoder in ENCODERS:
        rounds = []
        for _ in range(ROUNDS):
            for how in ("norms", "folded"):
                command = [sys.executable, __file__, encoder, how]
                rounds.append(float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))
        norms, folded = rounds[::2], rounds[1::2]
        ratio = median(a / b for a, b in zip(norms, folded, strict=True))
        rows.append(f"| {encoder} | {median(norms):.2f} | {median(folded):.2f} | {ratio:.2f} |")
    (HERE / "results.md").write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
