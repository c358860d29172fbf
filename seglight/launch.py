"""How one job becomes N ranks. (One process.)"""

from __future__ import annotations

from seglight.runs import Run


def launch(run: Run) -> None:
    """Trains the run in this process."""
    from seglight.fit import fit

    fit(run)
