"""Checkpoints with adapters do without the encoder's pretrained weights, name them, and refuse others."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
import timm
import torch

import seglight
from seglight.models.encoders.efficientnet import installed
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import checkpoint, new_run

SMALL = ["encoder=timm", "encoder.name=tf_efficientnet_lite0", "model=fcn32s", "data.crop_size=32"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of pretrained weights."""
    file = tmp_path_factory.mktemp("weights") / "lite0.pt"
    state = installed("lite0", "tf_efficientnet_lite0")
    assert state
    torch.save(state, file)
    return file


@pytest.fixture(scope="module")
def run(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("base")
    made = new_run(folder / "run", *SMALL, f"encoder.weights={weights}", "freeze=lora", "freeze.rank=2", "optim.lr=0.1")
    fit(made)
    return made


def test_a_checkpoint_holds_the_adapters_and_names_what_they_need(run: Run, weights: Path) -> None:
    held = checkpoint(run, "best")
    assert held["base"].keys() == {"encoder", "weights", "sha256"}
    assert held["base"]["weights"] == str(weights)
    assert "tf_efficientnet_lite0" in held["base"]["encoder"]
    names = [name for name in held["state_dict"] if name.startswith("net.encoder.net.")]
    assert names
    assert all(".parametrizations.weight.0." in name for name in names)
    assert run.checkpoint_path().stat().st_size < weights.stat().st_size / 4


def test_its_network_stands_on_the_pretrained_weights(run: Run, weights: Path) -> None:
    adapted = seglight.build_model(run.cfg)  # with the weights that the config names
    left = adapted.load_state_dict(run.weights(), strict=False)
    assert left.unexpected_keys == []
    adapted.eval()
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(seglight.load_run(run.path).net(images), adapted(images), rtol=1e-4, atol=1e-4)
    stem = run.net.encoder.net.conv_stem  # type: ignore[union-attr]
    pretrained = torch.load(weights, weights_only=True)["conv_stem.weight"]
    assert not torch.equal(stem.weight, pretrained)  # the adapter is merged into it
    assert torch.equal(run.net.encoder.net.bn1.running_mean, torch.load(weights)["bn1.running_mean"])  # type: ignore[union-attr]


def test_another_run_starts_from_it_and_holds_everything(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start = [f"init_from={run.path}", "freeze=lora", f"encoder.weights={run.cfg.encoder.weights}"]
    other = new_run(tmp_path / "run", *SMALL, *start)
    with caplog.at_level(logging.INFO):
        fit(other)
    assert "0 keep" not in caplog.text
    assert "tensors came over" in caplog.text
    held = checkpoint(other, "last")
    assert "base" not in held
    assert "net.encoder.net.bn1.running_mean" in held["state_dict"]


def test_a_run_whose_checkpoint_holds_everything_goes_on_so(run: Run, weights: Path, tmp_path: Path) -> None:
    """As runs of earlier versions do: what another process cannot have is not left out when they are resumed."""
    shutil.copytree(run.path, tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    full, adapted = checkpoint(run, "last"), seglight.build_model(run.cfg)
    del full["base"]
    full["state_dict"] = {f"net.{name}": x for name, x in adapted.state_dict().items()} | full["state_dict"]
    torch.save(full, path)
    resumed = Run.resume(tmp_path / "run", ["trainer.max_epochs=2"])
    fit(resumed)
    held = checkpoint(resumed, "last")
    assert "base" not in held
    mean = torch.load(weights, weights_only=True)["bn1.running_mean"]
    assert torch.equal(held["state_dict"]["net.encoder.net.bn1.running_mean"], mean)


def test_other_weights_and_no_weights_are_refused_in_one_message(run: Run, weights: Path) -> None:
    right = weights.read_bytes()
    try:
        torch.save(timm.create_model("tf_efficientnet_lite0").state_dict(), weights)
        for wrong in (lambda: Run(run.path).net, lambda: fit(Run.resume(run.path, ["trainer.max_epochs=2"]))):
            with pytest.raises(ValueError, match=r"best\.ckpt|last\.ckpt") as refusal:
                wrong()
            text = str(refusal.value)
            assert f"encoder.weights={weights}" in text
            assert "they are others now" in text
            assert str(run.path / "config.yaml") in text
        weights.unlink()
        with pytest.raises(ValueError, match=r"best\.ckpt holds adapters for .*no file .*lite0\.pt"):
            _ = Run(run.path).net
    finally:
        weights.write_bytes(right)
