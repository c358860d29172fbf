"""Batches of uint8 tensors, put together with one copy; what was skipped is counted and named."""

# Shapes: B batch, H W pixels

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from seglight.data.augmentation import AugmentationError
from seglight.data.dataset import Sample
from seglight.data.sampler import NOT_COUNTED, Batches, EvaluationSampler, TrainingSampler, rank_and_world
from seglight.ignore import IGNORE_INDEX

log = logging.getLogger(__name__)

SKIPPED_SHARE = 0.01  # more unreadable files than this are a broken data set, not an accident


@dataclass(frozen=True)
class Collate:
    """Stacks samples to {"image": [B, C, H, W] in channels-last memory, "mask": uint8 [B, H, W], "name"}.

    Images are uint8, or float32 where one of them is.
    """

    advice: str  # what to do about images of different sizes

    def __call__(self, samples: Collection[Sample]) -> dict[str, Any]:
        image, mask = torch.empty(0, 3, 0, 0, dtype=torch.uint8), torch.empty(0, 0, 0, dtype=torch.uint8)
        names: list[str] = []
        failures: list[Exception] = []
        for sample in samples:
            failures += sample.failures
            if sample.image is None or sample.mask is None:
                continue
            if not names:
                height, width = sample.mask.shape
                kind = torch.uint8 if sample.image.dtype == np.uint8 else torch.float32
                image = empty((len(samples), height, width, sample.image.shape[2]), kind).permute(0, 3, 1, 2)
                mask = empty((len(samples), height, width))
            elif sample.mask.shape != mask.shape[1:]:
                return {"error": ValueError(self.different_sizes(names[0], mask, sample))}
            if image.dtype == torch.uint8 and sample.image.dtype != np.uint8:  # nothing is rounded
                image = image.float()
            image.permute(0, 2, 3, 1).numpy()[len(names)] = sample.image
            mask.numpy()[len(names)] = sample.mask
            names.append(sample.name)
        batch: dict[str, Any] = {"image": image[: len(names)], "mask": mask[: len(names)], "name": names}
        return batch | {"failures": failures} if failures else batch

    def different_sizes(self, first: str, mask: Tensor, other: Any) -> str:
        """Names two images that cannot be stacked."""
        return (
            f"images of different sizes in one batch ({first} {mask.shape[2]} x {mask.shape[1]}, "
            f"{other.name} {other.mask.shape[1]} x {other.mask.shape[0]}); {self.advice}"
        )


def empty(shape: tuple[int, ...], kind: torch.dtype = torch.uint8) -> Tensor:
    """A tensor; in a worker it lies in shared memory, so that handing it over copies nothing."""
    if get_worker_info() is None:
        return torch.empty(shape, dtype=kind)
    count = kind.itemsize
    for length in shape:
        count *= length
    storage = torch.UntypedStorage._new_shared(count)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=kind).set_(storage, 0, shape)  # type: ignore[call-overload,no-any-return]


class Loader(DataLoader[Any]):
    """A DataLoader that reports skipped files, and refuses to go on when more than 1% of the set is unreadable.

    Its state, which Lightning keeps in checkpoints, is the epoch and how many of its images all ranks were given.
    """

    def __init__(self, dataset: Any, batches: Batches, **options: Any) -> None:
        super().__init__(dataset, batch_sampler=batches, **options)
        self.batches = batches
        self.position = self.resumed = (-1, 0)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.position[0], "images": self.position[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = self.resumed = (state["epoch"], state["images"])

    def batches_behind(self) -> int:
        """How many of an epoch's batches, of the size that they have now, a resumed run has behind it."""
        return len(self) - len(self.batches.sizes(self.resumed[1]))

    def __iter__(self) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        skipped: set[str] = set()
        total = len(self.dataset)  # type: ignore[arg-type]
        sampler, world, images = self.batches.sampler, rank_and_world()[1], 0
        if isinstance(sampler, TrainingSampler):
            sampler.start = images = self.resumed[1] if self.resumed[0] == sampler.epoch else 0
        idle = isinstance(sampler, EvaluationSampler) and next(iter(sampler), (0, 0))[0] == NOT_COUNTED
        for size, batch in zip(self.batches.sizes(images), super().__iter__(), strict=True):
            images += size * world
            self.position = (getattr(sampler, "epoch", -1), images)
            if "error" in batch:
                raise batch["error"]
            for error in batch.pop("failures", ()):
                if not getattr(self.dataset, "skip", False) or isinstance(error, AugmentationError):
                    raise error
                failure = str(error)
                if failure in skipped:
                    continue
                skipped.add(failure)
                log.warning("skipped %d of %d: %s", len(skipped), total, failure)
                if len(skipped) > SKIPPED_SHARE * total:
                    raise ValueError(
                        f"{len(skipped)} of {total} files could not be read, more than data.on_error=skip accepts "
                        f"(1%); the last: {failure}"
                    )
            if idle:  # a rank without an image of its own
                batch = uncounted(batch)
            yield batch if idle or len(batch["name"]) > 0 else self.stand_in()

    def stand_in(self) -> dict[str, Any]:
        """What an evaluation gets for a batch of skipped images, so that every rank keeps its number of batches."""
        samples = (self.dataset[NOT_COUNTED, index] for index in range(len(self.dataset)))  # type: ignore[arg-type]
        return uncounted(self.collate_fn([next(sample for sample in samples if sample.image is not None)]))


def uncounted(batch: dict[str, Any]) -> dict[str, Any]:
    """The batch with masks of 255 and without names: nothing counts it or shows it."""
    return {**batch, "mask": torch.full_like(batch["mask"], IGNORE_INDEX), "name": []}


def start_worker(_: int) -> None:
    """A worker is one of several: OpenCV and torch get one thread in it, and its process alone says when it ends.

    A terminal's Ctrl-C and a cluster's SIGTERM reach the workers too, while the run still takes its last step.
    """
    import cv2

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # elsewhere nobody can tell who sent a signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=obey_parent, daemon=True).start()


def obey_parent() -> None:
    """Ends this process where the SIGTERM is its parent's."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
