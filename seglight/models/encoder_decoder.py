"""A segmentation network: an encoder, a decoder over its features, and perhaps an auxiliary head.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import torch.nn.functional as F
from torch import Tensor, nn

from seglight.models.encoder import Encoder
from seglight.models.skips import Skips


class EncoderDecoder(nn.Module):
    """`forward(images [B, 3, H, W] uint8 or 0-255) -> logits [B, K, H, W]` for any H, W >= 1.

    decoder and aux are given without (encoder, skips, num_classes) and completed here. A decoder that declares
    `needs_multiple = True` gets the input padded to a multiple of the largest stride, and its logits cropped back.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Callable[..., Any],
        skips: Skips,
        num_classes: int,
        aux: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.encoder = encoder
        self.decoder = decoder(encoder=encoder, skips=skips, num_classes=num_classes)
        self.aux = aux(encoder=encoder, num_classes=num_classes) if aux else None
        self.held: list[nn.Module] = []

    def forward(self, images: Tensor) -> Tensor:
        size = images.shape[-2:]
        logits: Tensor = self.decoder(self.encoder(self.padded(images)), self.padded_size(size))
        return logits[..., : size[0], : size[1]]

    def training_pairs(self, images: Tensor, masks: Tensor) -> list[tuple[Tensor, Tensor, float]]:
        """What the loss is summed over: (logits, labels, weight), the auxiliary head's last."""
        if self.aux is None:
            return [(self(images), masks, 1.0)]
        size = images.shape[-2:]
        outputs = self.encoder.maps(self.padded(images))
        features = self.encoder.by_stride(outputs)
        logits = self.decoder(features, self.padded_size(size))[..., : size[0], : size[1]]
        return [(logits, masks, 1.0), (self.aux(outputs, size), masks, self.aux.weight)]

    def padded_size(self, size: Iterable[int]) -> tuple[int, int]:
        """The size the decoder works at."""
        height, width = size
        if not getattr(self.decoder, "needs_multiple", False):
            return height, width
        stride = max(self.encoder.channels)
        return -(-height // stride) * stride, -(-width // stride) * stride

    def padded(self, images: Tensor) -> Tensor:
        """The images at that size, their edge repeated."""
        height, width = self.padded_size(images.shape[-2:])
        if (height, width) == tuple(images.shape[-2:]):
            return images
        return F.pad(images.float(), (0, width - images.shape[-1], 0, height - images.shape[-2]), mode="replicate")

    def head_modules(self) -> list[nn.Module]:
        """The score layers: what freeze=head_only trains."""
        heads: list[nn.Module] = self.decoder.head_modules()
        return heads + (self.aux.head_modules() if self.aux is not None else [])

    def hold_eval(self, modules: Iterable[nn.Module]) -> None:
        """Those modules stay in eval mode, whatever train() says, until the next call."""
        object.__setattr__(self, "held", list(modules))  # not as submodules
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in getattr(self, "held", []):
            module.eval()
        return self
