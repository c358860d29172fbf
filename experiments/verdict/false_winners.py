"""How often runs that differ in the seed alone are called winner and loser, and how often a true difference is found.

    python experiments/verdict/false_winners.py POOL.npz [RUNS]

trains RUNS (160) small U-Nets on drawn shapes, each with a seed of its own, keeps their counts of each image in
POOL.npz, and compares disjoint groups of them as cells. For a true difference the counts of one cell are thinned: right
pixels fall to the background with a probability that costs 1, 2 or 4 points of mIoU on average over the pool.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest

import seglight
from seglight.config import build
from seglight.results.estimate import Estimate, best_cells
from seglight.results.resampling import Scores, resample

RESAMPLES, STEPS, BATCH = 2000, 40, 8
CONFIG = (
    "model=unet_small", "encoder.channels=[12,24]", "data=shapes", "data.size=32", "data.crop_size=32",
    "data.train_images=160", "data.val_images=64", "augment=none",
)  # fmt: skip
Counts = tuple[np.ndarray, np.ndarray, np.ndarray]  # tp, gt, pred [N, K]


def tensors(cfg: object, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = build(cfg, "data")
    data.setup("fit")
    loader = data.train_dataloader() if split == "train" else data.eval_dataloader("val")
    batches = list(loader)
    return torch.cat([b["image"] for b in batches]), torch.cat([b["mask"] for b in batches]).long()


def train(cfg: object, images: torch.Tensor, masks: torch.Tensor, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    net = seglight.build_model(cfg).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, STEPS)
    for _ in range(STEPS):
        at = torch.randint(len(images), (BATCH,))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images[at]), masks[at], ignore_index=255).backward()
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def count(net: torch.nn.Module, images: torch.Tensor, masks: torch.Tensor, classes: int) -> Counts:
    seen = torch.cat([net(part).argmax(1) for part in images.split(32)]).numpy()
    truth = masks.numpy()
    confusions = [
        np.bincount(t[t < 255] * classes + s[t < 255], minlength=classes**2).reshape(classes, classes)
        for t, s in zip(truth, seen, strict=True)
    ]
    c = np.stack(confusions)
    return np.diagonal(c, axis1=1, axis2=2), c.sum(2), c.sum(1)


def make_pool(path: Path, runs: int) -> None:
    cfg = seglight.compose(*CONFIG)
    (images, masks), (val_images, val_masks) = tensors(cfg, "train"), tensors(cfg, "val")
    pool = []
    for seed in range(runs):
        pool.append(count(train(cfg, images, masks, seed), val_images, val_masks, int(cfg.data.num_classes)))
        print(f"run {seed}: mIoU {miou(*pool[-1]):.3f}", flush=True)
        if seed % 10 == 9:
            tp, pred = (np.stack([counts[at] for counts in pool]) for at in (0, 2))
            np.savez_compressed(path, tp=tp, gt=pool[0][1], pred=pred)


def miou(tp: np.ndarray, gt: np.ndarray, pred: np.ndarray) -> float:
    tp, gt, pred = (a.sum(0).astype(float)[None] for a in (tp, gt, pred))
    return float(Scores.of(tp, gt, pred).overall["miou"][0])


def thinned(tp: np.ndarray, pred: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Right pixels of objects fall to the background with this probability."""
    lost = rng.binomial(tp, share)
    lost[..., 0] = 0
    moved = pred - lost
    moved[..., 0] += lost.sum(-1)
    return tp - lost, moved


def share_for(points: float, tp: np.ndarray, gt: np.ndarray, pred: np.ndarray) -> float:
    """Which probability costs so many points on average over the pool, by bisection."""
    if points == 0:
        return 0.0
    want = np.mean([miou(t, gt, p) for t, p in zip(tp, pred, strict=True)]) - points / 100
    low, high = 0.0, 0.5
    for _ in range(12):
        middle, rng = (low + high) / 2, np.random.default_rng(0)
        worse = [thinned(t, p, middle, rng) for t, p in zip(tp, pred, strict=True)]
        low, high = (middle, high) if np.mean([miou(t, gt, p) for t, p in worse]) > want else (low, middle)
    return (low + high) / 2


def told_apart(pool: Counts, cells: int, seeds: int, points: float) -> tuple[int, int]:
    """Of how many disjoint groups of cells, the first of which is `points` worse, the first one is beaten by another.

    With points=0 a group counts where any cell is beaten.
    """
    tp, gt, pred = pool
    rng, share = np.random.default_rng(1), share_for(points, *pool)
    size, found = cells * seeds, 0
    groups = len(tp) // size
    for group in range(groups):
        runs = slice(group * size, (group + 1) * size)
        t, p = tp[runs].copy(), pred[runs].copy()
        t[:seeds], p[:seeds] = thinned(t[:seeds], p[:seeds], share, rng)
        scores = np.array([miou(a, gt, b) for a, b in zip(t, p, strict=True)])
        drawn = resample(t, gt, p, [len(gt)], RESAMPLES, rng).overall["miou"]
        of_cell = [list(range(at * seeds, (at + 1) * seeds)) for at in range(cells)]
        _, beaten = best_cells(Estimate.of(scores, drawn, of_cell, rng))
        found += bool(beaten) if points == 0 else any(b.cell == 0 for b in beaten)
    return found, groups


if __name__ == "__main__":
    path = Path(sys.argv[1])
    if not path.is_file():
        make_pool(path, int(sys.argv[2]) if len(sys.argv) > 2 else 160)
    with np.load(path) as file:
        pool = file["tp"], file["gt"], file["pred"]
    scores = np.array([miou(t, pool[1], p) for t, p in zip(pool[0], pool[2], strict=True)])
    print(f"{len(scores)} runs: mIoU {100 * scores.mean():.1f}, {100 * scores.std(ddof=1):.2f} between seeds")
    for cells, seeds in ((2, 1), (2, 2), (2, 4), (5, 2), (8, 2), (8, 4)):
        for points in (0, 1, 2, 4):
            found, groups = told_apart(pool, cells, seeds, points)
            bound = binomtest(found, groups).proportion_ci(0.95)
            print(
                f"{cells} cells of {seeds} seeds, one {points} points worse: told apart in {found} of {groups} "
                f"({bound.low:.0%} to {bound.high:.0%})",
                flush=True,
            )
