"""The contract of a decoder. Shapes: B batch, K classes, H W pixels."""

from __future__ import annotations

from torch import Tensor, nn

from seglight.models.encoder import Encoder

TrainingPair = tuple[Tensor, Tensor, float]  # logits [B, K, *], labels [B, *], weight in the loss


class Decoder(nn.Module):
    """`forward(features by stride, size) -> logits [B, K, *size]`: it aligns the maps itself, whatever the size.

    min_size, multiple: what the images must be that the encoder's maps are made of; smaller or other ones are extended.
    """

    min_size = multiple = 1

    def segment(self, encoder: Encoder, images: Tensor) -> Tensor:
        """Logits [B, K, H, W] of images [B, 3, H, W]."""
        return self(encoder(images, self.min_size, self.multiple), images.shape[-2:])  # type: ignore[no-any-return]

    def training_pairs(self, encoder: Encoder, images: Tensor, masks: Tensor) -> list[TrainingPair]:
        """What the training loss is computed on: the sum of weight * loss(logits, labels)."""
        return [(self.segment(encoder, images), masks, 1.0)]

    def heads(self) -> list[nn.Module]:
        """The score layers."""
        raise NotImplementedError
