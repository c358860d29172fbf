"""How often a cell that truly is worse is named: `python experiments/verdict/power.py [TRIALS]` writes power.md.

Two cells of several seeds. A run's mIoU is its cell's truth plus what its seed does (normal, standard deviation SD), on
101 images that are hard or easy for all runs alike and a little for each run of its own; it is then resampled as
`seglight.compare` does. Named is a worse cell that the verdict calls beaten.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from seglight.results.estimate import Estimate, best_cells

RESAMPLES, IMAGES, SHARED, OWN = 1000, 101, 0.10, 0.03  # standard deviations of one image's mIoU


def named(gap: float, sd: float, seeds: int, rng: np.random.Generator) -> bool:
    """Whether a cell that is `gap` worse is beaten in one experiment; without a gap, whether either is."""
    runs = np.repeat([0.0, gap], seeds)
    images = rng.normal(0, SHARED, (IMAGES, 1)) + rng.normal(0, OWN, (IMAGES, 2 * seeds))
    seen = 0.5 + runs + rng.normal(0, sd, 2 * seeds) + images - images.mean(0)
    weights = rng.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), RESAMPLES) / IMAGES
    cells = [list(range(seeds)), list(range(seeds, 2 * seeds))]
    members, _ = best_cells(Estimate.of(seen.mean(0), weights @ seen, cells, rng))
    return members == [1] if gap else len(members) == 1


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    rng = np.random.default_rng(0)
    lines = [
        "| seeds a cell | SD of seeds | none (false) | 1 point | 2 points | 4 points |",
        "|---:|---:|---|---|---|---|",
    ]
    for sd in (0.005, 0.011):
        for seeds in (2, 3, 5, 10):
            cells = []
            for gap in (0.0, 0.01, 0.02, 0.04):
                hits = sum(named(gap, sd, seeds, rng) for _ in range(trials))
                bound = binomtest(hits, trials).proportion_ci(0.95)
                cells.append(f"{hits / trials:.0%} ({bound.low:.0%} to {bound.high:.0%})")
            lines.append(f"| {seeds} | {100 * sd:.1f} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    lines.append(f"\n{trials} trials each; in brackets the 95 % interval of the rate.")
    (Path(__file__).parent / "power.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
