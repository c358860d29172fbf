"""Networks, in plain torch: an encoder, skips and a decoder make an `EncoderDecoder`."""

from seglight.models.encoder_decoder import EncoderDecoder
from seglight.models.skips import Skips

__all__ = ["EncoderDecoder", "Skips"]
