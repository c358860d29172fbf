"""The first steps of each recipe against values by hand: `python experiments/recipes/first_steps.py`.

Writes first_steps.md. Each recipe trains three steps on one process, from random weights, on the images that are in
SEGLIGHT_DATA. Its rates are compared with the formula of its schedule; its first loss with that of a network that finds
every class equally likely: ln K for each labelled pixel, summed, averaged or weighted as the recipe says. FCN's score
layers begin at 0, so there the two must be equal; other networks begin above it.
"""

from __future__ import annotations

import csv
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from omegaconf import DictConfig

from seglight.config import build
from seglight.runs.run import Run

HERE = Path(__file__).resolve().parent
ALONE = ["trainer=default", "trainer.devices=1"]


@dataclass
class Recipe:
    """overrides: what makes it fit one CPU; exact: whether the first loss must be that of equally likely classes."""

    name: str
    overrides: list[str]
    exact: bool = False

    def rate(self, k: int, steps: int) -> float:
        """Of step k, from 0, of the fastest group: FCN's biases learn twice as fast, the auxiliary head ten times."""
        if self.name == "fcn_paper":
            return 2 * 1e-10
        if self.name == "unet_paper":
            return 1e-3
        return (10 * 0.02 if self.name == "torchvision_fcn" else 0.01) * (1 - k / steps) ** 0.9


RECIPES = [
    Recipe("fcn_paper", ["data=voc", "encoder.weights=null"], exact=True),
    Recipe("torchvision_fcn", ["data=voc", "encoder.weights=null", "data.batch_size=2", *ALONE]),
    Recipe("unet_paper", []),
    Recipe("cityscapes", ["encoder.weights=null", "data.split=train", *ALONE]),
]


def uniform(cfg: DictConfig, name: str) -> float:
    """The first batch's loss where every class is equally likely."""
    data = build(cfg, "data")
    data.prepare_data()
    data.setup("fit")
    masks = torch.as_tensor(next(iter(data.train_dataloader()))["mask"])
    nats = math.log(cfg.data.num_classes)
    if name == "fcn_paper":
        return float((masks != 255).sum()) * nats
    if name == "unet_paper":
        loss = build(cfg, "loss")
        loss.set_class_counts(data.class_counts(data.train_split))
        return float(loss(torch.zeros(len(masks), cfg.data.num_classes, *masks.shape[1:]), masks.long()))
    return 1.5 * nats  # an auxiliary head counts half


def main() -> None:
    lines = ["| recipe | rates of 3 steps | by hand | first loss | classes equally likely |", "|---|---|---|---:|---:|"]
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            command = [
                "-cd", str(HERE), "-cn", recipe.name, *recipe.overrides, "trainer.max_steps=3", "predictions=0",
                "trainer.limit_val_batches=1", "data.num_workers=0", "trainer.enable_progress_bar=false",
                "trainer.precision=32-true", f"hydra.run.dir={folder}/run",
            ]  # fmt: skip
            subprocess.run([sys.executable, "-m", "seglight.train", *command], check=True)
            run = Run(Path(folder) / "run")
            with (run.path / "metrics.csv").open() as file:
                rows = [row for row in csv.DictReader(file) if row.get("lr") and row.get("train/loss")]
            rates = [float(row["lr"]) for row in rows]
            hand = [recipe.rate(k, 3) for k in range(3)]
            expected, loss = uniform(run.cfg, recipe.name), float(rows[0]["train/loss"])
            assert all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(rates, hand, strict=True)), (rates, hand)
            assert not recipe.exact or math.isclose(loss, expected, rel_tol=1e-4), (loss, expected)
            shown = [" ".join(f"{rate:.3g}" for rate in each) for each in (rates, hand)]
            lines.append(f"| `{recipe.name}` | {shown[0]} | {shown[1]} | {loss:,.3f} | {expected:,.3f} |")
            print(lines[-1], flush=True)
    (HERE / "first_steps.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
