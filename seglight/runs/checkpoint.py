"""Checkpoints written whole or not at all, and read without running code."""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from seglight.ranks.signals import SIGNALS, handlers_put_back
from seglight.runs.atomic import written_whole

log = logging.getLogger(__name__)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, flushes to disk, reads it back, then renames: till then the previous one is there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with uninterrupted(), written_whole(target, "wb", check=verify) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError, ValueError) as error:
            cause = next((e for e in (error, error.__context__) if isinstance(e, OSError)), None)  # torch hides it
            if cause is None and not isinstance(error, ValueError):
                raise
            reason = cause.strerror if cause else str(error)
            raise OSError(
                f"could not write {target} ({reason}): {size(checkpoint) / 1e6:,.1f} MB needed, "
                f"{shutil.disk_usage(target.parent).free / 1e6:,.1f} MB free. The previous checkpoint is kept: "
                f"make room, then {quote(f'resume={target.parent.parent}')} goes on from it"
            ) from error

    def load_checkpoint(self, path: str | Path, map_location: Any = None, weights_only: bool | None = None) -> Any:
        return read_checkpoint(Path(path))


def verify(path: Path) -> None:
    """ValueError where a checkpoint's bytes are not those that were written."""
    try:
        with zipfile.ZipFile(path) as file:
            damaged = file.testzip()
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if damaged is not None:
        raise ValueError(f"{path} is damaged: {damaged} in it is not what was written")


def replace_damaged(last: Path, best: Path) -> None:
    """Puts a copy of the best checkpoint in the place of a last one that a disk damaged; ValueError where both are."""
    if not last.is_file():
        return
    try:
        verify(last)
    except ValueError as error:
        if not best.is_file():
            raise ValueError(f"{error}. Restore it from a copy, or delete it: the run starts again") from None
        try:
            verify(best)
        except ValueError as other:
            text = f"{error}; {other}. Restore one from a copy, or delete both: the run starts again"
            raise ValueError(text) from None
        log.warning("%s: the run goes on from %s", error, best)
        copy(best, last)


def replace_older(last: Path, best: Path) -> None:
    """Puts a copy of the best checkpoint in the place of a last one from before it: the process ended between the two.

    Else the run would go on with the scores of an earlier best evaluation, whose weights are gone.
    """
    if not best.is_file():
        return
    try:
        verify(best)
    except ValueError:
        return  # it is not what the run goes on from
    if not last.is_file() or best_step(best) > best_step(last):
        copy(best, last)


def best_step(path: Path) -> int:
    """The step of the best evaluation that a checkpoint knows of; -1 before any."""
    return int(read_checkpoint(path).get("callbacks", {}).get("Best", {}).get("step", -1))


def copy(source: Path, target: Path) -> None:
    """Copies a checkpoint, whole."""
    with written_whole(target, "wb", check=verify) as file, source.open("rb") as content:
        shutil.copyfileobj(content, file)


def size(container: Any) -> int:
    """The bytes of the tensors in nested containers."""
    if isinstance(container, torch.Tensor):
        return container.numel() * container.element_size()
    if isinstance(container, dict):
        return sum(size(value) for value in container.values())
    return sum(size(value) for value in container) if isinstance(container, list | tuple) else 0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """SIGTERM and Ctrl-C wait until the file is whole: raised inside torch's writer they would get lost."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread
        return
    came: list[tuple[signal.Signals, Any]] = []
    before: dict[int, Any] = {}
    try:
        with handlers_put_back(SIGNALS) as before:
            for number in SIGNALS:
                signal.signal(number, lambda n, frame: came.append((signal.Signals(n), frame)))
            yield
    finally:
        for number, frame in came[:1]:
            handler = before[number]
            if callable(handler):
                handler(number, frame)
            elif handler == signal.SIG_DFL:
                signal.raise_signal(number)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's plain containers and tensors, on the CPU. FileNotFoundError and ValueError name the file."""
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ValueError(f"{path} is not a checkpoint that can be read safely: {str(error).splitlines()[0]}") from error
    return checkpoint
