"""What the tests of kept features share."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seglight.models.encoder import Encoder


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the images of each of the encoder's passes."""
    seen: list[int] = []
    run = Encoder.run

    def counted(self: Any, x: torch.Tensor) -> Any:
        if not x.is_meta:
            seen.append(len(x))
        return run(self, x)

    monkeypatch.setattr(Encoder, "run", counted)
    return seen
