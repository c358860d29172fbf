"""Transformers on real images: a run that broke off and went on ends bit for bit like one that did not."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import seglight
from experiments.robustness.kill_table import differences
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.task import SegmentationTask
from seglight.training.fit import fit
from tests.conftest import Command, checkpoint
from tests.failing import STOPS

STREET = [
    "data=camvid", "data.crop_size=64", "data.batch_size=2", "data.num_workers=0", "trainer.accelerator=cpu",
    "trainer.precision=32-true", "trainer.max_epochs=2", "trainer.limit_train_batches=2", "trainer.limit_val_batches=1",
    "data.eval_batch_size=1", "predictions=0", "encoder.weights=null", "optim=vit",
]  # fmt: skip
VIT = [
    "encoder=timm", "encoder.name=vit_tiny_patch16_224", "+encoder.depth=3", "+encoder.embed_dim=32",
    "+encoder.num_heads=2", "+encoder.pyramid_width=32", "+encoder.drop_path_rate=0.2",
]  # fmt: skip


LITE = ["encoder=efficientnet_lite0", "encoder.weights=imagenet"]


def broken_off(run: Run, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains until just before an optimizer step."""
    original = SegmentationTask.training_step

    def ends(task: Any, *args: Any) -> torch.Tensor:
        if task.global_step == step:
            raise ConnectionAbortedError("the machine went down")
        return original(task, *args)

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationTask, "training_step", ends)
        with pytest.raises(ConnectionAbortedError):
            fit(run)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param([*VIT, "decoder=unet", "skips=concat", "freeze=none"], marks=pytest.mark.slow),
        pytest.param(
            [*VIT, "decoder=dpt", "skips=none", "freeze=lora", "freeze.dropout=0.2", "encoder.checkpointing=true"],
            marks=pytest.mark.slow,
        ),
        pytest.param([*VIT, "decoder=linear", "skips=none", "freeze=bitfit"], marks=pytest.mark.slow),
        pytest.param(
            [*VIT, "decoder=segformer", "skips=none", "freeze=adapter", "trainer.accumulate_grad_batches=2"],
            marks=pytest.mark.slow,
        ),
        [*LITE, "decoder=fcn", "skips=none", "freeze=lora", "average=ema"],
    ],
    ids=["unet-none", "dpt-lora", "linear-bitfit", "segformer-adapter", "efficientnet-lora-ema"],
)  # fmt: skip
def test_a_run_that_broke_off_ends_like_one_that_did_not(
    overrides: list[str], real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = resolve(seglight.compose(*STREET, *overrides, f"data.root={real_data / 'camvid'}"))
    whole, broken = Run.create(tmp_path / "whole", cfg, []), Run.create(tmp_path / "broken", cfg, [])
    fit(whole)
    steps = checkpoint(whole, "last")["global_step"]
    broken_off(broken, steps - 1, monkeypatch)
    before = checkpoint(broken, "last")["state_dict"]
    fit(Run.resume(broken.path, []))
    assert differences(whole.path, broken.path) == []
    held = checkpoint(broken, "last")
    after = held["state_dict"]
    # random weights are held whole: there is nowhere else to have them from
    assert ("base" in held) == (overrides[:2] == LITE)
    assert any(not torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.slow
@pytest.mark.parametrize("policy", [["freeze=lora", "freeze.dropout=0.2"], ["freeze=gradual"]], ids=["lora", "gradual"])
def test_a_run_killed_in_the_middle_of_an_epoch_ends_like_one_that_was_not(
    policy: list[str], real_data: Path, script: Command, command: Command, tmp_path: Path
) -> None:
    """SIGKILL in the second epoch, in which gradual has thawed a block: weights, optimizer, scores, metrics.csv."""
    options = [*STREET, *VIT, *policy, "decoder=dpt", "skips=concat", "trainer.limit_train_batches=3"]
    options += [f"data.root={real_data / 'camvid'}", "trainer.log_every_n_steps=1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command("train", *options, f"hydra.run.dir={whole}").returncode == 0
    dies = STOPS.format(step="training_step", nth=5, number=int(signal.SIGKILL))
    assert script(dies, *options, f"hydra.run.dir={killed}").returncode == -signal.SIGKILL
    assert checkpoint(Run(killed), "last")["global_step"] == 3
    answer = command("train", f"resume={killed}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert differences(whole, killed) == []
