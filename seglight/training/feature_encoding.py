"""A frozen encoder's maps of single images, and which of them the decoder reads.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from seglight.data.datamodule import SegmentationData
from seglight.freeze_policy import NEVER
from seglight.models import EncoderDecoder
from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder_decoder import reaching
from seglight.parts import parts
from seglight.training.feature_records import Record


class Encoding:
    """From a batch of one image to its `Record`, computed as the run would compute it."""

    def __init__(self, task: Any, trainer: Any) -> None:
        self.task, self.trainer = task, trainer
        self.needed: list[bool] = []  # whether each stage's map is read
        self.shapes: list[tuple[int, ...]] = []  # [C, h, w] of each stage's map of some image
        self.size: tuple[int, ...] = ()  # that image's height and width

    def __call__(self, batch: dict[str, Any]) -> Record:
        net = self.task.net
        image = batch["image"].to(self.task.device).contiguous(memory_format=self.task.memory_format)
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            maps = net.maps(image)
        if not self.shapes:
            self.shapes, self.size = [tuple(x.shape[1:]) for x in maps], tuple(image.shape[-2:])
        if not self.needed:
            self.needed = read_by_decoder(net, maps, self.size)
        read = zip(maps, self.needed, strict=True)
        kept = [x[0].permute(1, 2, 0).contiguous().cpu() if used else None for x, used in read]
        return Record(batch["name"][0], batch["image"][0].contiguous(), batch["mask"][0].clone(), kept)

    def expect(self, shapes: Sequence[tuple[int, ...]], size: tuple[int, ...]) -> None:
        """Finds out what is read without encoding anything."""
        maps = [torch.zeros(1, *shape, device=self.task.device) for shape in shapes]
        self.needed = read_by_decoder(self.task.net, maps, size)


@contextmanager
def encoding(task: Any, trainer: Any) -> Iterator[Encoding]:
    """Within it the network is in eval mode, and no random number is drawn that the run would miss."""
    training = task.net.training
    task.net.eval()
    try:
        with torch.random.fork_rng(devices=[]):  # a loader draws one
            yield Encoding(task, trainer)
    finally:
        task.net.train(training)


def read_by_decoder(net: EncoderDecoder, maps: Sequence[Tensor], size: tuple[int, ...]) -> list[bool]:
    """Which of the stages' maps reach the logits, the auxiliary head's too."""
    sources = [x.detach().float().requires_grad_() for x in maps]
    with torch.enable_grad():
        logits = [pair[0] for pair in net.pairs_of_maps(sources, sources[0].new_zeros(1, *size).long())]
        return reaching(logits, sources)


def refuse(data: SegmentationData, task: Any) -> None:
    """ValueError where the maps of one epoch would be wrong in another, or are not all that a step needs."""
    net, policy = task.net, task.policy
    if data.on_error != "raise":
        raise ValueError("data.cache=features needs data.on_error=raise: check data first (python -m seglight.check)")
    stages = [part for part in parts(net) if part.depth > 0]
    if not isinstance(net, EncoderDecoder) or not stages:
        raise ValueError(f"data.cache=features: {type(net).__name__} has no encoder and decoder to part")
    trained = [part for part in stages if not policy.head_only and policy.first_epoch(part) < NEVER]
    if trained:
        first = min(policy.first_epoch(part) for part in trained)
        raise ValueError(
            f"data.cache=features needs an encoder that never trains (freeze=encoder or head_only); with "
            f"freeze={policy.name} {len(trained)} of its {len(stages)} stages train, from epoch {first} on"
        )
    kind = type(net.decoder)
    if kind.segment is not Decoder.segment or kind.training_pairs is not Decoder.training_pairs:
        raise ValueError(f"data.cache=features: decoder {kind.__name__} takes images apart itself; set data.cache=null")
