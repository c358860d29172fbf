"""A comparison in the terminal: the verdict, then the cells, best first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison


def print_comparison(comparison: Comparison) -> None:
    """What was left out, the verdict, and a row a cell; an asterisk where it cannot be told from the best."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from seglight.results.verdict import NAMES

    c = comparison
    print(*c.notes, *c.verdict, sep="\n")
    runs = f"{len(c.runs)} runs" if len(c.runs) > 1 else "1 run"
    counts = f"{runs} in {len(c.cells)} cells" if len(c.cells) > 1 else f"{runs} of one cell"
    table = Table(title=f"{counts}; * cannot be told from the best", title_justify="left")
    trained = [c.cell_cost(at, "trainable_params") for at in range(len(c.cells))]
    partly = any(n != c.cell_cost(at, "params") for at, n in enumerate(trained) if n is not None)
    columns = ("", "cell", "seeds", NAMES.get(c.score, c.score), "95 %", "parameters", *["trained"] * partly, "seconds")
    for column in columns:
        table.add_column(column, justify="left" if column in ("", "cell") else "right", overflow="fold")
    members = set(c.ranking[0])
    lows, highs = c.estimate.interval()
    for at in c.order:
        params, seconds = c.cell_cost(at, "params"), c.cell_cost(at, "train_seconds")
        table.add_row(
            "*" if at in members else "",
            escape(c.cells[at].name),
            str(len(c.cells[at].runs)),
            f"{100 * c.estimate.value[at]:.2f}",
            f"{100 * lows[at]:.2f} to {100 * highs[at]:.2f}",
            *(millions(n) for n in [params, trained[at]][: 1 + partly]),
            "-" if seconds is None else f"{seconds:,.1f}",
        )
    Console(width=None if sys.stdout.isatty() else 130).print(table)


def millions(count: float | None) -> str:
    """A number of parameters, as the table says it."""
    return "-" if count is None else f"{count / 1e6:.2f} M"
