"""Confusion matrices of splits of 1, 2, 7 and 101 images, by as many ranks as start this; rank 0 writes FILE as JSON.

python confusion.py one.json
torchrun --nproc-per-node 2 confusion.py two.json
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from lightning import seed_everything

import seglight
from seglight.config import build, resolve
from seglight.ranks.environment import rank, world_size
from seglight.runs.run import Run
from seglight.training.fit import build_task
from seglight.training.trainer import build_trainer, quiet

SPLITS = (1, 2, 7, 101)


def confusion(images: int, folder: Path) -> list[list[int]]:
    """Of an untrained network, the same in every process."""
    cfg = resolve(seglight.compose(
        "trainer=ddp", f"trainer.devices={world_size()}", "trainer.accelerator=cpu", "data=shapes", "data.size=64",
        "data.split=test", f"data.test_images={images}", "data.eval_batch_size=4", "data.num_workers=0",
        "encoder.weights=null", "encoder.channels=[8,16,16]",
    ))  # fmt: skip
    seed_everything(0, verbose=False)
    data = build(cfg, "data")
    task = build_task(cfg, data, build(cfg, "net"))
    build_trainer(cfg, Run(folder), []).validate(task, data, verbose=False)
    counts: torch.Tensor = task.metrics.compute()
    return [[int(n) for n in row] for row in counts.tolist()]


if __name__ == "__main__":
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        matrices = {images: confusion(images, Path(folder)) for images in SPLITS}
    if rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps({"ranks": world_size(), "confusion": matrices}))
