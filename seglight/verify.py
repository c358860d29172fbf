"""`python -m seglight.verify runs=DIR n=3`: trains runs again from what they store, and says whether they came out."""

from __future__ import annotations

import logging
from pathlib import Path

from omegaconf import DictConfig

from seglight.cli import made, run_command

log = logging.getLogger(__name__)


def verify(cfg: DictConfig) -> None:
    """A line for each run; ValueError where one did not come out, or where its images are no longer the same."""
    from seglight.results.compared import find_runs
    from seglight.sweeps.verification import changed_data, judged, pick, train_again
    from seglight.values import whole

    whole("n", cfg.n)
    places = [cfg.runs] if isinstance(cfg.runs, str | int) else list(cfg.runs)
    runs = find_runs([str(place) for place in places])
    picked = pick(runs, cfg.n, cfg.seed)
    for run in picked:
        if changed := changed_data(run, cfg.trust):
            raise ValueError(
                f"{run.path}: the files of data={run.cfg.data.name}, split {' and '.join(changed)}, are not those it "
                "was trained on; nothing was trained"
            )
    out, failed = made("out", Path(cfg.out)), []
    names = [run.path.name for run in picked]
    if len(set(names)) < len(names):  # of several sweeps
        names = [f"{run.path.resolve().parent.name}_{run.path.name}" for run in picked]
    targets = [out / name for name in names]
    if taken := next((target for target in targets if target.exists()), None):
        raise ValueError(f"out={cfg.out}: {taken.name} is there from an earlier call; choose another folder")
    for run, target in zip(picked, targets, strict=True):
        again = train_again(run, target, cfg.trust)
        came_out, words = judged(run, again, runs)
        log.info("%s %s", run.path, words)
        failed += [] if came_out else [str(run.path)]
    if failed:
        raise ValueError(f"{len(failed)} of {len(picked)} runs did not come out: {', '.join(failed)}")
    log.info("wrote: %s", cfg.out)


if __name__ == "__main__":
    run_command("verify", verify)
