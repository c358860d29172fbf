"""What the trainer refuses."""

from __future__ import annotations

import pytest
import torch

from tests.conftest import QUICK, Command


def test_sharding_without_a_gpu_is_refused_with_what_to_use(command: Command) -> None:
    if torch.cuda.is_available():
        pytest.skip("there are GPUs")
    answer = command("train", *QUICK, "trainer=fsdp")
    assert answer.returncode == 1
    assert "trainer=fsdp needs GPUs" in answer.stderr
    assert "Traceback" not in answer.stderr
