"""What a run says when memory or disk ran out: what it used, and what to lower."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

import torch
from omegaconf import DictConfig

from seglight.runs.run import Run
from seglight.training.trainer import auto_precision

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_SPACE_TEXT = "No space left on device"  # of a loader's process torch keeps the text alone
ALLOCATION = re.compile(r"Tried to allocate [\d.]+ \w+(\. GPU .*? is free)?")  # the rest is of torch's allocator
DEAD_WORKER = re.compile(r"DataLoader worker \(pid.*?\) (is killed by signal: \w+|exited unexpectedly)")


class Exhausted(OSError):
    """The machine has not enough of something; the text says of what."""


@contextmanager
def exhaustion_explained(run: Run) -> Iterator[None]:
    """Raises `Exhausted` in place of errors that say a machine's memory or disk was not enough."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:
        text = explanation(error, run)
        if text is None:
            raise
        raise Exhausted(text) from error


def explanation(error: BaseException, run: Run) -> str | None:
    """What ran out, in a user's words; None where nothing did."""
    text = str(error)
    if isinstance(error, OSError) and (error.errno in NO_SPACE or NO_SPACE_TEXT in text):
        free, why = shutil.disk_usage(run.path).free / 1e6, error.strerror or text.splitlines()[-1]
        return (
            f"no space to write {error.filename or run.path} ({why}; {free:,.1f} MB free): the last "
            f"checkpoint is kept. Make room, then {quote(f'resume={run.path}')} goes on from it"
        )
    if isinstance(error, torch.OutOfMemoryError):
        asked = ALLOCATION.search(text)
        return f"out of GPU memory: {used(run.cfg)}{f'. {asked[0]}' if asked else ''}"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return f"out of memory: {used(run.cfg)}"
    worker = DEAD_WORKER.search(text)
    if worker is not None:
        return (
            f"{worker[0]}: out of memory, most likely (`dmesg` says so). Lower data.num_workers (0 loads in this "
            "process) or data.batch_size; in a container give it shared memory: docker run --ipc=host"
        )
    return None


def used(cfg: DictConfig) -> str:
    """What decides how much memory a run takes, with what to do about it."""
    data, trainer = cfg.data, cfg.trainer
    precision = auto_precision(trainer.accelerator) if trainer.precision == "auto" else trainer.precision
    halves = "" if "16" in str(precision) else " or set trainer.precision=bf16-mixed"
    return (
        f"training takes data.batch_size={data.get('batch_size')} images of data.crop_size={data.get('crop_size')} at "
        f"once, evaluation data.eval_batch_size={data.get('eval_batch_size')} at native resolution, in "
        f"trainer.precision={precision}. Lower data.batch_size or data.crop_size{halves}; "
        f"trainer.accumulate_grad_batches (now {trainer.accumulate_grad_batches}) keeps the effective batch"
    )
