"""trainer.precision=float8 is refused where it cannot be, with the reason, before anything is built."""

from __future__ import annotations

import re
import sys

import pytest
import torch

import seglight
from seglight.training.float8 import in_float8, refuse_elsewhere
from seglight.training.trainer import trainer_settings
from seglight.training.validate import validate_trainer


@pytest.mark.parametrize(
    ("capability", "says"),
    [
        (None, "trainer.precision=float8 needs a Hopper GPU, and there is no GPU here; trainer.precision=bf16-mixed"),
        ((8, 0), "trainer.precision=float8 needs a Hopper GPU, and this is an A100"),
        ((9, 0), 'trainer.precision=float8 needs the package torchao: pip install "seglight[float8]"'),
    ],
)
def test_it_says_what_is_lacking(
    capability: tuple[int, int] | None, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "an A100")
    monkeypatch.delitem(sys.modules, "torchao", raising=False)
    monkeypatch.setattr("seglight.training.float8.find_spec", lambda name: None)
    trainer = seglight.compose("trainer.precision=float8").trainer
    with pytest.raises((ValueError, ModuleNotFoundError), match=re.escape(says)):
        refuse_elsewhere(trainer)
    if capability is None:
        with pytest.raises(ValueError, match=re.escape(says)):
            validate_trainer(trainer)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["encoder=resnet18"], "float8 is for transformers: this encoder has no linear layers"),
        (["encoder=vit_small", "+encoder.depth=3", "freeze=lora"], "that freeze=lora and freeze=adapter stand on"),
    ],
)
def test_other_encoders_and_adapters_are_refused(overrides: list[str], says: str) -> None:
    net = seglight.build_model(seglight.compose("encoder.weights=null", *overrides))
    with pytest.raises(ValueError, match=says):
        in_float8(net)


def test_all_but_those_layers_compute_in_bfloat16() -> None:
    assert trainer_settings(seglight.compose("trainer.precision=float8").trainer, 1).precision == "bf16-mixed"
