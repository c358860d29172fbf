"""Every pixel classified on its own, from the patch around it (Ciresan et al. 2012): what FCN made unnecessary.

Shapes: B batch, K classes, H W pixels, N sampled pixels, P patch side, s step between classified pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight.ignore import IGNORE_INDEX
from seglight.models.decoders.decoder import Decoder, TrainingPair
from seglight.models.encoder import Encoder
from seglight.models.geometry import mirror, tracing
from seglight.models.skips import Skips
from seglight.values import whole


class Patch(Decoder):
    """The deepest map of a P x P patch, averaged and classified; trained on pixels sampled from each image.

    The image is mirrored at its border. stride: only every s-th pixel is classified, bilinear interpolation fills in
    between. chunk: how many patches are classified at once.
    """

    def __init__(
        self,
        encoder: Encoder,
        skips: Skips,
        num_classes: int,
        patch: int = 32,
        samples: int = 256,
        stride: int = 1,
        chunk: int = 2048,
    ) -> None:
        super().__init__()
        skips.refuse("patch")
        for key, value in (("patch", patch), ("samples", samples), ("stride", stride), ("chunk", chunk)):
            whole(f"decoder.{key}", value)
        self.patch, self.samples, self.stride, self.chunk = patch, samples, stride, chunk
        self.deepest = encoder.stride
        self.score = nn.Linear(encoder.channels[encoder.stride], num_classes)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        """Logits [B, K] of patches."""
        return self.score(features[self.deepest].mean((2, 3)))  # type: ignore[no-any-return]

    def segment(self, encoder: Encoder, images: Tensor) -> Tensor:
        if tracing():
            raise ValueError(
                "decoder=patch classifies an image's patches in chunks, as many as the image needs: no graph of "
                "operations that is the same for every size can hold that; use an encoder and a decoder (model=unet)"
            )
        height, width = images.shape[-2:]
        windows = self.windows(images, self.stride)  # [B, C, rows, columns, P, P], a view
        rows, columns = windows.shape[2:4]
        step = max(self.chunk // (len(images) * columns), 1)
        parts = [
            self.classify(encoder, windows[:, :, row : row + step].permute(0, 2, 3, 1, 4, 5))
            for row in range(0, rows, step)
        ]
        logits = torch.cat(parts, 1).permute(0, 3, 1, 2)  # [B, K, rows, columns]
        if self.stride == 1:
            return logits
        full = ((rows - 1) * self.stride + 1, (columns - 1) * self.stride + 1)
        return F.interpolate(logits, full, mode="bilinear", align_corners=True)[..., :height, :width]

    def training_pairs(self, encoder: Encoder, images: Tensor, masks: Tensor) -> list[TrainingPair]:
        """Logits [B, K, N] and labels [B, N] of labelled pixels drawn from each image."""
        labels = masks.flatten(1)
        labelled = (labels != IGNORE_INDEX).float()
        pixels = torch.multinomial(labelled + (labelled.sum(1, keepdim=True) == 0), self.samples, replacement=True)
        batch = torch.arange(len(images), device=images.device)[:, None]
        rows, columns = pixels // images.shape[-1], pixels % images.shape[-1]
        patches = self.windows(images, 1)[batch, :, rows, columns]  # [B, N, C, P, P]
        logits = self.classify(encoder, patches).transpose(1, 2)
        return [(logits, labels.gather(1, pixels), 1.0)]

    def windows(self, images: Tensor, stride: int) -> Tensor:
        """The patch around every stride-th pixel, the last ones possibly beyond the image: [B, C, rows, cols, P, P]."""
        rows, columns = self.grid(images.shape[-2], images.shape[-1], stride)
        extent = ((rows - 1) * stride + self.patch, (columns - 1) * stride + self.patch)
        return mirror(images, self.patch // 2, *extent).unfold(2, self.patch, stride).unfold(3, self.patch, stride)

    def classify(self, encoder: Encoder, patches: Tensor) -> Tensor:
        """Logits [..., K] of patches [..., C, P, P]."""
        logits: Tensor = self(encoder(patches.flatten(0, -4)), (1, 1))
        return logits.view(*patches.shape[:-3], -1)

    def classifications(self, height: int, width: int) -> int:
        """How many patches an image takes."""
        rows, columns = self.grid(height, width, self.stride)
        return rows * columns

    @staticmethod
    def grid(height: int, width: int, stride: int) -> tuple[int, int]:
        """Rows and columns of classified pixels: 0, s, 2s, ..., to the last pixel or the first beyond it."""
        return -(-(height - 1) // stride) + 1, -(-(width - 1) // stride) + 1

    def heads(self) -> list[nn.Module]:
        return [self.score]
