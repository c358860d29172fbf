"""One block of measurements in a process of its own.

    python experiments/benchmarks/peers/block.py CELL WHO [STEPS] [cpu|cuda]

CELL: smp_unet, torchvision_fcn or pytorch_fcn. WHO: peer (as its authors run it), peer_fast (in channels_last and in
the precision that seglight chooses for the machine), seglight (`python -m seglight.train`'s own step, Lightning and
logging with it), or floor (the convolutions of seglight's network, forward and backward, in its precision). Prints
JSON: median seconds (a GPU's mean), peak MB. On a GPU a batch has eight times the images (FCN-8s: the one of its
authors) and comes from pinned memory each step: float32 for the peers, uint8 for seglight.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

import seglight
from seglight.config import build, resolve
from seglight.peak_memory import peak_memory, reset_peak_memory
from seglight.training.fit import build_task, prepare_process, prepare_task
from seglight.training.trainer import auto_precision

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.models.reference import TorchFCN

CLASSES, WARM = 21, 3
CELLS = {
    "smp_unet": ((4, 352, 352), ["model=unet", "encoder=resnet18"]),
    "torchvision_fcn": ((2, 320, 320), ["model=fcn_resnet50"]),
    "pytorch_fcn": ((1, 375, 500), ["model=fcn8s"]),
}


DEVICE = sys.argv[4] if len(sys.argv) > 4 else "cpu"


def bf16() -> bool:
    """Whether seglight's trainer.precision=auto is bf16-mixed here."""
    return auto_precision(DEVICE) == "bf16-mixed"


def batch(cell: str) -> tuple[Tensor, Tensor]:
    """uint8 images and int64 masks, as a loader gives them."""
    (count, height, width), _ = CELLS[cell]
    count *= 8 if DEVICE == "cuda" and count > 1 else 1
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)
    return pinned(images), pinned(torch.randint(0, CLASSES, (count, height, width), generator=generator))


def pinned(tensor: Tensor) -> Tensor:
    return tensor.pin_memory() if DEVICE == "cuda" else tensor


def peer(cell: str, fast: bool) -> Any:
    """A step of the peer's own training loop."""
    torch.manual_seed(0)
    images, masks = batch(cell)
    ready = pinned((images.float() / 255 - 0.45) / 0.225)
    criterion = nn.CrossEntropyLoss(ignore_index=255)
    if cell == "smp_unet":
        import segmentation_models_pytorch as smp

        net = smp.Unet("resnet18", encoder_weights=None, classes=CLASSES)
        optimizer: Any = torch.optim.AdamW(net.parameters(), 1e-3)

        def loss(out: Any, masks: Tensor) -> Tensor:
            return criterion(out.float(), masks)

    elif cell == "torchvision_fcn":
        from torchvision.models.segmentation import fcn_resnet50

        net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True)
        optimizer = torch.optim.SGD(net.parameters(), 0.02, momentum=0.9, weight_decay=1e-4)

        def loss(out: Any, masks: Tensor) -> Tensor:
            return criterion(out["out"].float(), masks) + 0.5 * criterion(out["aux"].float(), masks)

    else:
        net = TorchFCN("8s")
        optimizer = torch.optim.SGD(net.parameters(), 1e-14, momentum=0.99, weight_decay=5e-4)

        def loss(out: Any, masks: Tensor) -> Tensor:  # the authors': the sum over labelled pixels, of log-softmax rows
            rows = out.float().log_softmax(1).permute(0, 2, 3, 1)[masks != 255]
            return nn.functional.nll_loss(rows, masks[masks != 255], reduction="sum")

    net.train().to(DEVICE)
    memory = torch.channels_last if fast else torch.contiguous_format
    net = net.to(memory_format=memory)
    if DEVICE == "cpu":
        ready = ready.to(memory_format=memory)

    def step() -> None:
        x, wanted = ready, masks
        if DEVICE == "cuda":
            x, wanted = (tensor.to(DEVICE, non_blocking=True) for tensor in (ready, masks))
            x = x.to(memory_format=memory)
        with torch.autocast(DEVICE, torch.bfloat16, enabled=fast and bf16()):
            out = net(x)
        value = loss(out, wanted)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


class Watch(L.Callback):
    """Seconds of the steps after the first ones: each, or on a GPU, which runs behind the program, their mean."""

    def __init__(self, steps: int) -> None:
        self.ends: list[float] = []
        self.last = WARM + steps

    def on_train_batch_end(self, *args: Any, **kwargs: Any) -> None:
        if DEVICE == "cuda" and len(self.ends) in (WARM, self.last):
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    def times(self) -> list[float]:
        ends = self.ends[WARM : self.last + 1]
        if DEVICE == "cuda":
            return [(ends[-1] - ends[0]) / (len(ends) - 1)]
        return [b - a for a, b in pairwise(ends)]


def timed(step: Any, steps: int) -> list[float]:
    watch = Watch(steps)
    for _ in range(WARM + steps + 1):
        step()
        watch.on_train_batch_end()
    return watch.times()


def seglights(cell: str, steps: int) -> list[float]:
    """Steps of a run, composed and built as the command does, on one batch that lies ready."""
    from seglight.callbacks.best import Best
    from seglight.runs.run import Run
    from seglight.training.fit import callbacks
    from seglight.training.trainer import build_trainer

    cfg = composed(cell, f"trainer.max_steps={WARM + 1 + steps}")
    prepare_process(cfg)
    images, masks = batch(cell)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", cfg, [])
        data = build(cfg, "data")
        task = build_task(cfg, data, build(cfg, "net"))
        prepare_task(task, data, cfg)
        ready = [{"image": images, "mask": masks, "name": ["a"] * len(images)}] * (WARM + 1 + steps)
        loader = torch.utils.data.DataLoader(ready, batch_size=None)  # type: ignore[arg-type]
        watch, best = Watch(steps), Best()
        trainer = build_trainer(cfg, run, [*callbacks(run, best, data), watch])
        trainer.fit(task, loader)
    return watch.times()


def composed(cell: str, *more: str) -> Any:
    return resolve(seglight.compose(
        *CELLS[cell][1], "data=voc", "encoder.weights=null", "predictions=0", "data.num_workers=0",
        "trainer.limit_val_batches=0", "trainer.enable_progress_bar=false", f"trainer.accelerator={DEVICE}", *more,
    ))  # fmt: skip


def floor(cell: str, steps: int) -> list[float]:
    """Every convolution of seglight's network forward and backward, each alone, on maps of the sizes it gets."""
    cfg = composed(cell)
    net = seglight.build_model(cfg).train().to(DEVICE, memory_format=torch.channels_last)
    images, masks = (tensor.to(DEVICE) for tensor in batch(cell))
    seen: list[tuple[nn.Module, Tensor, Tensor]] = []
    hooks = [
        m.register_forward_hook(lambda m, x, y: seen.append((m, x[0].detach(), y.detach())))
        for m in net.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        net.training_pairs(images, masks)
    for hook in hooks:
        hook.remove()
    work = []
    for number, (conv, x, y) in enumerate(seen):
        kind = torch.bfloat16 if bf16() else torch.float32
        conv = conv.to(kind)
        x = x.to(kind).contiguous(memory_format=torch.channels_last).requires_grad_(number > 0)
        work.append((conv, x, torch.randn_like(y, dtype=kind).contiguous(memory_format=torch.channels_last)))

    def step() -> None:
        for conv, x, gradient in work:
            wanted = [p for p in (x, *conv.parameters()) if p.requires_grad]
            torch.autograd.grad(conv(x), wanted, gradient)

    return timed(step, steps)


def main() -> None:
    cell, who, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 8
    reset_peak_memory()
    if who == "floor":
        times = floor(cell, steps)
    elif who == "seglight":
        times = seglights(cell, steps)
    else:
        times = timed(peer(cell, who == "peer_fast"), steps)
    peak = round(peak_memory(DEVICE == "cuda") / 1e6)
    print(json.dumps({"seconds": statistics.median(times), "peak_mb": peak, "steps": steps}))


if __name__ == "__main__":
    main()
