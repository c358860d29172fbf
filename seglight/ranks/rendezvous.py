"""How ranks that torchrun or srun started meet: rank 0 makes the run's directory and tells the others."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from seglight.ranks.environment import environment, rank

PATIENCE = timedelta(minutes=30)  # for rank 0 to compose the run


class Meeting:
    """Where rank 0 tells the others which directory it made: torchrun's own store, or one that rank 0 opens."""

    def __init__(self) -> None:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        ranks = environment()
        torchruns = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        port = ranks.main_port + (not torchruns)  # the port itself will be the process group's
        host = rank() == 0 and not torchruns
        self.store = TCPStore(ranks.main_address, port, None, host, PATIENCE, wait_for_workers=False)
        self.key = f"seglight/run/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
        self.said = False

    def say(self, run: Path | None) -> None:
        """Rank 0: the run's directory; None where there is none to take part in. The first word counts."""
        if not self.said:
            self.store.set(self.key, str(run.absolute()) if run else "")
            self.said = True

    def hear(self) -> Path | None:
        """The others: what rank 0 said, once it did."""
        said = self.store.get(self.key).decode()
        return Path(said) if said else None
