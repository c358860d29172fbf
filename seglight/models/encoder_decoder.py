"""An encoder, then a decoder, and an auxiliary head where the recipe has one.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from seglight.models.encoder import Encoder
from seglight.models.segmenter import Segmenter, TrainingPair
from seglight.models.skips import Skips


class EncoderDecoder(Segmenter):
    """Semantic segmentation by any encoder, decoder and skips that fit together.

    decoder, aux: called with (encoder, skips, num_classes) and (encoder, num_classes).
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: Callable[..., nn.Module],
        skips: Skips,
        num_classes: int,
        aux: Callable[..., nn.Module] | None = None,
    ) -> None:
        super().__init__(encoder, num_classes)
        self.decoder = decoder(encoder=encoder, skips=skips, num_classes=num_classes)
        self.aux = aux(encoder=encoder, num_classes=num_classes) if aux else None
        if getattr(self.decoder, "divisible", False):  # it takes no other maps than halves of halves
            encoder.multiple = max(encoder.multiple, encoder.stride)

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images), images.shape[-2:])  # type: ignore[no-any-return]

    def training_pairs(self, images: Tensor, masks: Tensor) -> list[TrainingPair]:
        """The logits, and the auxiliary head's where there is one."""
        if self.aux is None:
            return super().training_pairs(images, masks)
        maps, size = self.encoder.maps(images), images.shape[-2:]
        logits = self.decoder(self.encoder.by_stride(maps), size)
        return [(logits, masks, 1.0), (self.aux(maps, size), masks, self.aux.weight)]  # type: ignore[list-item]

    def head_modules(self) -> list[nn.Module]:
        """The score layers of the decoder and the auxiliary head."""
        return [head for part in (self.decoder, self.aux) if part is not None for head in part.heads()]  # type: ignore[operator,union-attr]
