"""Callbacks whose state goes on where a run is resumed."""

from __future__ import annotations

from typing import Any, ClassVar

import lightning as L


class Resumable(L.Callback):
    """Keeps the attributes named in `kept` in the checkpoint: plain numbers, texts and containers of them."""

    kept: ClassVar[tuple[str, ...]] = ()

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for name in self.kept:
            setattr(self, name, state_dict[name])
