"""`data.batch_size=auto`: the largest batch that fits into memory, found before the run begins and kept in its config.

Memory grows with the images of a batch along a straight line: two small batches are trained for two steps each in a
process of its own, and the line through their peaks says what fits. On a GPU that batch is tried, too.
"""

from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys

import torch
from omegaconf import DictConfig, OmegaConf, open_dict

from seglight.callbacks.freezing import Freezing
from seglight.config import build, build_model, resolve
from seglight.data.memory import available_memory
from seglight.peak_memory import peak_memory, reset_peak_memory
from seglight.ranks.devices import local_ranks
from seglight.ranks.environment import started_by_others
from seglight.runs.run import Run
from seglight.training.settled import interpolated, keep

log = logging.getLogger(__name__)

SHARE = 0.8  # of the free memory that a batch may take: evaluation, workers and other programs need some
SMALL = (2, 4)  # images in the batches that are measured; a norm cannot average a single value
FEW = 8  # optimizer steps an epoch
STEPS = 2  # the optimizer's own memory is there in the second one


def settle(run: Run) -> None:
    """Writes the number in place of `auto` into the run's config. ValueError where it cannot be measured."""
    if started_by_others():
        raise ValueError("data.batch_size=auto: a number is needed where torchrun or srun starts the ranks")
    command = [sys.executable, "-m", "seglight.training.batch_size", str(run.path)]
    measured = subprocess.run(command, capture_output=True, text=True)
    if measured.returncode != 0:
        why = (measured.stderr.strip().splitlines() or [f"its process ended with {measured.returncode}"])[-1]
        raise ValueError(f"data.batch_size=auto: it could not be measured: {why}; give a number")
    found = json.loads(measured.stdout.splitlines()[-1])
    keep(run, {"batch_size": found["batch_size"]})
    log.info("data.batch_size=auto: %(batch_size)d images: %(why)s", found)


def largest(cfg: DictConfig) -> tuple[int, str]:
    """The largest power of two that fits, at most the training images, and why it is that."""
    on_gpu = cfg.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    free = torch.cuda.mem_get_info()[0] if on_gpu else available_memory() // local_ranks(cfg.trainer)
    few, more = SMALL
    images, low = step_memory(cfg, few, on_gpu)
    _, high = step_memory(cfg, more, on_gpu)
    each = max((high - low) / (more - few), 1)
    fits = int((SHARE * free - (low - few * each)) / each)
    if fits < 1:
        needed = f"{few} images take {low / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
        raise ValueError(f"not even one image fits: {needed}; lower data.crop_size")
    size = power_of_two(min(fits, images))
    while on_gpu and size > more:  # the line leaves out what the libraries need for larger batches
        try:
            step_memory(cfg, size, on_gpu)
            break
        except torch.OutOfMemoryError:
            size //= 2
    taken = (low + (size - few) * each) / 1e9
    memory = f"{taken:.2f} GB of {free / 1e9:.1f} GB that are free, {each / 1e6:.0f} MB an image"
    why = memory if fits <= images else f"{memory}; data={cfg.data.name} has {images} training images"
    steps = images // size
    few_steps = f"; an epoch has {steps} step{'s' * (steps > 1)}, with data.batch_size=8 it has {images // 8}"
    return size, why + few_steps * (steps < FEW <= images // 8)


def power_of_two(number: int) -> int:
    """The largest that is not above `number`."""
    return 1 << (number.bit_length() - 1)


def step_memory(cfg: DictConfig, images: int, on_gpu: bool) -> tuple[int, int]:
    """The training images there are, and the peak memory in bytes of training steps on so many at once."""
    from seglight.training.fit import build_task, prepare_process, prepare_task
    from seglight.training.trainer import build_trainer

    cfg = cfg.copy()
    with open_dict(cfg):
        cfg.data.update({"batch_size": images, "num_workers": 0})
        cfg.trainer.update({"devices": 1, "num_nodes": 1, "strategy": "auto", "max_steps": STEPS, "max_epochs": -1})
        cfg.trainer.update({"limit_val_batches": 0, "max_time": None, "accumulate_grad_batches": 1})
        cfg.trainer.enable_progress_bar = False
        if OmegaConf.select(cfg, "encoder.weights") is not None:
            cfg.net.encoder.weights = None  # as large without being read
    cfg = resolve(cfg)  # with what is made from the size of the batch
    prepare_process(cfg)
    data = build(cfg, "data")
    data.setup("fit")
    task = build_task(cfg, data, build_model(cfg))
    prepare_task(task, data, cfg)
    reset_peak_memory()
    loader = data.train_dataloader()
    build_trainer(cfg, None, [Freezing()]).fit(task, loader)
    peak = peak_memory(on_gpu)
    del task
    gc.collect()
    return len(loader) * images, peak


def main() -> None:
    """Measures for the run of a directory; the last line is JSON."""
    run = Run(sys.argv[1])
    size, why = largest(interpolated(run) or run.cfg)
    print(json.dumps({"batch_size": size, "why": why}))


if __name__ == "__main__":
    main()
