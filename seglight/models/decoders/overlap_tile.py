"""The U-Net paper's overlap-tile strategy (Ronneberger et al. 2015, figure 2)."""

from __future__ import annotations

import torch
from torch import Tensor

from seglight.models.decoders.unet import UNet
from seglight.models.encoder import Encoder
from seglight.models.encoders.unet import ValidUNet
from seglight.models.geometry import mirror, tracing
from seglight.models.skips import Skips
from seglight.values import whole


class OverlapTileUNet(UNet):
    """Evaluates large images in output tiles of `tile` pixels, each with its context; beyond the border it is mirrored.

    Training, and images no larger than a tile, take the image as a whole: without padding that is the same function.
    """

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int, tile: int = 388, **form: object) -> None:
        if not isinstance(encoder, ValidUNet):
            raise ValueError(
                f"decoder=unet_tiles needs unpadded convolutions (encoder=unet_valid), got encoder={encoder.option}"
            )
        super().__init__(encoder, skips, num_classes, **form)  # type: ignore[arg-type]
        whole("decoder.tile", tile)
        self.tile = tile

    def segment(self, encoder: Encoder, images: Tensor) -> Tensor:
        assert isinstance(encoder, ValidUNet)
        height, width = images.shape[-2:]
        # a traced graph has no loop over tiles: it takes the image as a whole too, and whoever runs it cuts tiles
        if self.training or tracing() or max(height, width) <= self.tile:
            return super().segment(encoder, images)
        tile, extent = self.tile, encoder.extended(self.tile)
        rows, columns = range(0, height, tile), range(0, width, tile)
        x = encoder.normalize(mirror(images, encoder.margin, rows[-1] + extent, columns[-1] + extent))

        def one(row: int, column: int) -> Tensor:
            maps = encoder.run(x[..., row : row + extent, column : column + extent])
            return self(encoder.by_stride(maps), (tile, tile))  # type: ignore[no-any-return]

        whole = torch.cat([torch.cat([one(row, column) for column in columns], 3) for row in rows], 2)
        return whole[..., :height, :width]
