"""segmentation_models_pytorch's decoders over seglight's encoders, through its own way of taking a new encoder.

Shapes: B batch, C channels, K classes, H W pixels.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any

import segmentation_models_pytorch as library
import torch
from segmentation_models_pytorch.base import SegmentationModel
from torch import Tensor, nn

from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder import Encoder
from seglight.models.geometry import frame, on_meta
from seglight.models.skips import Skips

NAMES = sorted(
    name
    for name in dir(library)
    if isinstance(getattr(library, name), type)
    and issubclass(getattr(library, name), SegmentationModel)
    and name != "DPT"
)  # DPT reads the tokens of a vision transformer


class Announced(nn.Module):
    """What the library asks an encoder at construction: the channels of its maps."""

    def __init__(self, out_channels: list[int], depth: int, output_stride: int) -> None:
        super().__init__()
        self.out_channels, self.output_stride = out_channels, output_stride

    def set_in_channels(self, *_: Any, **__: Any) -> None:
        """seglight's encoder has them already."""

    make_dilated = set_in_channels


class SMP(Decoder):
    """The decoder and head of the library's network `name`; it reads every map (its own skips), so skips=none.

    Strides that an encoder lacks are given with no channels, as the library does for its own; those beyond a dilated
    encoder's deepest get its deepest map. options: the library's (decoder_channels, ...).
    """

    def __init__(self, encoder: Encoder, skips: Skips, num_classes: int, name: str, **options: Any) -> None:
        super().__init__()
        if name not in NAMES:
            close = difflib.get_close_matches(name, NAMES) or NAMES
            raise ValueError(f"decoder.name={name}: segmentation_models_pytorch has {close}")
        skips.refuse(f"smp decoder.name={name}")
        network = getattr(library, name)
        self.depth, self.deepest = 4 if encoder.stride == 16 and 1 in encoder.channels else 5, encoder.stride
        if name.startswith("DeepLab") and encoder.stride == 32:
            raise ValueError(
                f"decoder.name={name} needs a dilated encoder (encoder.output_stride=8 or 16); "
                f"encoder={encoder.option} has stride 32"
            )
        parameters = inspect.signature(network).parameters
        if "encoder_output_stride" in parameters:
            options.setdefault("encoder_output_stride", encoder.stride)
        if name == "PSPNet":  # it reads the deepest map
            options.setdefault("upsampling", encoder.stride)
        if isinstance(levels := getattr(parameters.get("decoder_channels"), "default", None), tuple):
            options.setdefault("decoder_channels", levels[: self.depth])
        channels = [3] + [encoder.channels.get(self.source(2**i), 0) for i in range(1, self.depth + 1)]
        announced = {"encoder": Announced, "pretrained_settings": {}, "params": {"out_channels": channels}}
        library.encoders.encoders["seglight"] = announced
        try:
            model = network(
                encoder_name="seglight", encoder_depth=self.depth, encoder_weights=None, classes=num_classes, **options
            )
            self.decoder, self.head = model.decoder, model.segmentation_head
            self.min_size, self.multiple = self.smallest(encoder), encoder.stride
        except (ValueError, TypeError, IndexError, ZeroDivisionError, RuntimeError) as error:
            raise ValueError(f"decoder.name={name} does not fit encoder={encoder.option}: {error}") from error
        finally:
            del library.encoders.encoders["seglight"]

    def smallest(self, encoder: Encoder) -> int:
        """The smallest image whose maps this decoder can take: some pool them further."""

        def take(size: int) -> None:
            features = on_meta(encoder, torch.empty(2, encoder.normalize.channels, size, size, device="meta"))
            if any(x.shape[2] * stride != size for stride, x in features.items()):
                raise ValueError("its maps are not halves of each other")
            on_meta(self, features, (size, size))

        for size in (n * encoder.stride for n in (1, 2, 4, 8)):
            try:
                take(size)
            except RuntimeError:
                continue
            take(2 * size)  # maps of a single cell fit anything
            return size
        raise ValueError("it reduces its maps to nothing")

    def source(self, stride: int) -> int:
        """The stride whose map stands for `stride`."""
        return min(stride, self.deepest)

    def forward(self, features: dict[int, Tensor], size: tuple[int, int]) -> Tensor:
        deepest = features[self.deepest]
        batch, height, width = len(deepest), deepest.shape[2] * self.deepest, deepest.shape[3] * self.deepest
        maps = [
            features.get(self.source(2**i), deepest.new_empty(batch, 0, height >> i, width >> i))
            for i in range(self.depth + 1)
        ]
        return frame(self.head(self.decoder(maps)), 0, size, "replicate")

    def heads(self) -> list[nn.Module]:
        return [self.head]
