"""What freezing saves: a training step against the sum of its parts, and epochs on kept features against the decoder.

    python experiments/benchmarks/freeze/step.py > experiments/benchmarks/freeze/results.md

Everything that is compared is timed in turn, round after round, in one process and on one thread; figures are medians.
Peak memory is the growth of a fresh process's resident set over the same work, with the network already built.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

import seglight
from seglight.config import build, resolve
from seglight.optim import Recipe
from seglight.peak_memory import peak_memory, reset_peak_memory
from seglight.training.features import FeatureData
from seglight.training.fit import build_task
from seglight.training.trainer import build_trainer

ROUNDS = 7
SIZE, BATCH = 96, 4
CELLS = [(model, encoder) for model in ("unet", "fcn8s") for encoder in ("resnet18", "vgg16")]
Work = Callable[[], Any]


def network(model: str, encoder: str, freeze: str) -> Any:
    """The network under a freeze policy's first epoch, in training mode."""
    torch.manual_seed(0)
    cfg = seglight.compose(f"model={model}", f"encoder={encoder}", "encoder.weights=null", f"freeze={freeze}")
    net = seglight.build_model(cfg).to(memory_format=torch.channels_last)
    build(cfg, "freeze").apply(net, 0)
    return net.train()


def works(model: str, encoder: str, freeze: str, decoder: bool = True) -> dict[str, Work]:
    """A step, the encoder's forward without autograd, and the decoder's forward and backward, on one batch."""
    net = network(model, encoder, freeze)
    loss = torch.nn.CrossEntropyLoss(ignore_index=255)
    images = torch.randint(0, 255, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8)
    images = images.contiguous(memory_format=torch.channels_last)
    masks = torch.randint(0, 9, (BATCH, SIZE, SIZE))

    def encode() -> list[torch.Tensor]:
        with torch.no_grad():
            return list(net.encoder.maps(images))

    def learn(pairs: Any) -> None:
        sum(weight * loss(logits, labels) for logits, labels, weight in pairs).backward()
        net.zero_grad()

    return {
        "step": lambda: learn(net.training_pairs(images, masks)),
        "encoder": encode,
        "decoder": partial(lambda kept: learn(net.pairs_of_maps(kept, masks)), encode() if decoder else None),
    }


def timed(todo: dict[str, Work], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each, in turn."""
    times: dict[str, list[float]] = {name: [] for name in todo}
    for turn in range(rounds + 2):
        for name, work in todo.items():
            start = time.perf_counter()
            work()
            if turn >= 2:  # the first two warm up
                times[name].append(time.perf_counter() - start)
    return times


def memory(model: str, encoder: str, freeze: str, name: str) -> float:
    """Megabytes that a piece of work needs above the network and its input, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(grown, (model, encoder, freeze, name))


def grown(model: str, encoder: str, freeze: str, name: str) -> float:
    torch.set_num_threads(1)
    work = works(model, encoder, freeze, decoder=name == "decoder")[name]
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what has been freed goes back to the system, or the next peak would hide in it
    reset_peak_memory()
    before = peak_memory()
    work()
    return (peak_memory() - before) / 1e6


def epochs(model: str, encoder: str, size: int) -> tuple[float, float]:
    """Median seconds of an epoch of steps on kept features, and of the decoder alone on maps that lie ready."""
    cfg = resolve(seglight.compose(
        f"model={model}", f"encoder={encoder}", "encoder.weights=null", "freeze=encoder", "augment=flip",
        "data.cache=features_disk", f"data.size={size}", f"data.crop_size={size}", "data.train_images=16",
        f"data.batch_size={BATCH}", "trainer.accelerator=cpu",
    ))  # fmt: skip
    data = build(cfg, "data")
    task = build_task(cfg, data, build(cfg, "net"))
    task.net.to(memory_format=task.memory_format)
    task.policy.apply(task.net, 0)
    task.net.train()
    optimizer = Recipe(torch.optim.SGD, lr=0.0)(task.net, task.policy)
    with tempfile.TemporaryDirectory() as folder:
        features = FeatureData(data, task, Path(folder) / "features")
        features.trainer = build_trainer(cfg, None, [])
        features.setup("fit")
        loader = features.train_dataloader()
        ready = [(batch["maps"], batch["mask"].long()) for batch in loader]

        def step(maps: Any, masks: Any) -> None:
            sum(
                weight * task.loss(logits, labels) for logits, labels, weight in task.net.pairs_of_maps(maps, masks)
            ).backward()
            optimizer.step()
            optimizer.zero_grad()

        turn = iter(range(10**6))

        def kept() -> None:
            loader.batches.sampler.set_epoch(next(turn))
            for batch in loader:
                step(batch["maps"], batch["mask"].long())

        def alone() -> None:
            for maps, masks in ready:
                step(maps, masks)

        times = timed({"kept": kept, "alone": alone}, rounds=5)
    return statistics.median(times["kept"]), statistics.median(times["alone"])


def main() -> None:
    torch.set_num_threads(1)
    print("# What freezing saves\n")
    print(
        f"`{Path(__file__).name}`: {BATCH} images of {SIZE} x {SIZE}, one CPU thread, "
        f"medians of {ROUNDS} rounds in turn.\n"
    )
    print("## A step with `freeze=encoder` against its parts (target: at most 1.10)\n")
    print("| model | encoder | step, ms | encoder forward, ms | decoder forward and backward, ms | step / parts |")
    print("|---|---|---|---|---|---|")
    for model, encoder in CELLS:
        times = timed(works(model, encoder, "encoder"))
        step, forward, decoder = (1e3 * statistics.median(times[name]) for name in ("step", "encoder", "decoder"))
        ratio = statistics.median(
            s / (e + d) for s, e, d in zip(times["step"], times["encoder"], times["decoder"], strict=True)
        )
        print(f"| {model} | {encoder} | {step:.0f} | {forward:.0f} | {decoder:.0f} | {ratio:.2f} |", flush=True)
    print("\n## A step under each policy\n")
    print(
        "| model | encoder | none, ms | stages n=2 | encoder | none, peak MB | stages n=2 | encoder "
        "| its parts: encoder + decoder, peak MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for model, encoder in CELLS:
        policies = ("none", "stages", "encoder")
        times = timed({policy: works(model, encoder, policy)["step"] for policy in policies})
        first = statistics.median(times["none"])
        spent = [f"{1e3 * first:.0f}"] + [
            f"{statistics.median(b / a for a, b in zip(times['none'], times[policy], strict=True)):.2f}x"
            for policy in policies[1:]
        ]
        peaks = [memory(model, encoder, policy, "step") for policy in policies]
        needs = [f"{peaks[0]:.0f}"] + [f"{peak:.0f}" for peak in peaks[1:]]
        parts = [memory(model, encoder, "encoder", name) for name in ("encoder", "decoder")]
        print(f"| {model} | {encoder} | {' | '.join(spent + needs)} | {parts[0]:.0f} + {parts[1]:.0f} |", flush=True)
    print("\n## Later epochs with `data.cache=features_disk` against the decoder alone (target: at most 1.15)\n")
    print("| model | encoder | image | epoch of 16 images on kept features, s | decoder alone, s | ratio |")
    print("|---|---|---|---|---|---|")
    for (model, encoder), sizes in zip(CELLS, ((96,), (96,), (96, 320), (96, 320)), strict=True):
        for size in sizes:
            kept, alone = epochs(model, encoder, size)
            print(f"| {model} | {encoder} | {size} | {kept:.3f} | {alone:.3f} | {kept / alone:.2f} |", flush=True)


if __name__ == "__main__":
    main()
