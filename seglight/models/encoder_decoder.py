"""An encoder, then a decoder, and an auxiliary head where the recipe has one.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder, TrainingPair
from seglight.models.decoders.fcn_head import AuxHead
from seglight.models.encoder import Encoder
from seglight.models.pixels import check_batch
from seglight.models.skips import Skips
from seglight.values import whole


class EncoderDecoder(nn.Module):
    """`forward(images [B, 3, H, W] uint8 or 0-255, RGB) -> logits [B, K, H, W]`, for any H and W >= 1.

    decoder, aux: called with (encoder, skips, num_classes) and (encoder, num_classes).
    encoder_name: the option that the encoder was chosen by, for messages.
    ValueError for fewer than two classes, and for images that are no tensor of four dimensions.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Callable[..., Decoder],
        skips: Skips,
        num_classes: int,
        aux: Callable[..., AuxHead] | None = None,
        encoder_name: str | None = None,
    ) -> None:
        super().__init__()
        whole("data.num_classes", num_classes, 2)  # a softmax over one class always says 1
        encoder.option = encoder_name or encoder.option
        self.num_classes, self.encoder = num_classes, encoder
        self.decoder = decoder(encoder=encoder, skips=skips, num_classes=num_classes)
        self.aux = aux(encoder=encoder, num_classes=num_classes) if aux else None
        pyramid = getattr(encoder, "pyramid", None)
        if pyramid is not None:
            pyramid.keep(self.strides_read())
        self.held: list[nn.Module] = []
        if self.aux and type(self.decoder).training_pairs is not Decoder.training_pairs:
            raise ValueError(f"aux: decoder {type(self.decoder).__name__} trains on sampled pixels; use aux=none")

    def forward(self, images: Tensor) -> Tensor:
        check_batch(images)
        return self.decoder.segment(self.encoder, images)

    def strides_read(self) -> list[int]:
        """The strides whose features reach the logits: no others are to be made, nor trained."""
        stride, device = self.encoder.stride, next(self.decoder.parameters()).device
        size = stride * max(2, -(-self.decoder.min_size // stride))
        features = {
            s: torch.zeros(1, channels, size // s, size // s, device=device, requires_grad=True)
            for s, channels in self.encoder.channels.items()
        }
        with torch.enable_grad():
            reached = reaching([self.decoder.eval()(features, (size, size))], list(features.values()))
        self.decoder.train()
        return [s for s, is_read in zip(features, reached, strict=True) if is_read]

    def training_pairs(self, images: Tensor, masks: Tensor) -> list[TrainingPair]:
        """What the training loss is computed on: the sum of weight * loss(logits, labels)."""
        if self.aux is None:
            return self.decoder.training_pairs(self.encoder, images, masks)
        return self.pairs_of_maps(self.maps(images), masks)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The encoder's map [B, C, h, w] of every stage, of images in the sizes that the decoder takes."""
        return self.encoder.maps(images, self.decoder.min_size, self.decoder.multiple)

    def check_images(self, images: Tensor) -> None:
        """ValueError where the first images that are not uint8 are no pixels; the encoder asks for it too."""
        self.encoder.normalize.check(images)

    def pairs_of_maps(self, maps: Sequence[Tensor | None], masks: Tensor) -> list[TrainingPair]:
        """The same of the encoder's maps [B, C, h, w] of each stage; None where nothing reads it."""
        pairs: list[TrainingPair] = [(self.decode(maps, masks.shape[-2:]), masks, 1.0)]
        if self.aux is not None:
            pairs.append((self.aux(maps, masks.shape[-2:]), masks, self.aux.weight))
        return pairs

    def decode(self, maps: Sequence[Tensor | None], size: Sequence[int]) -> Tensor:
        """Logits [B, K, *size] of the encoder's maps."""
        features = {stride: x for stride, x in self.encoder.by_stride(maps).items() if x is not None}
        return self.decoder(features, tuple(size))  # type: ignore[no-any-return]

    def head_modules(self) -> list[nn.Module]:
        """The score layers: what freeze=head_only trains."""
        return self.decoder.heads() + (self.aux.heads() if self.aux else [])

    def hold_eval(self, modules: Iterable[nn.Module]) -> None:
        """Those modules stay in eval mode through train(): norms keep their statistics, dropout is off."""
        self.held = list(modules)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for module in self.held:
            module.eval()
        return self


def reaching(outputs: Sequence[Tensor], sources: Sequence[Tensor]) -> list[bool]:
    """Which of the sources, which require gradients, any of the outputs depends on."""
    gradients = torch.autograd.grad([x.sum() for x in outputs], list(sources), allow_unused=True)
    return [gradient is not None for gradient in gradients]
