"""Networks in plain torch: encoders, decoders, skips, and what joins them."""

from seglight.models.encoder import Encoder
from seglight.models.encoder_decoder import EncoderDecoder
from seglight.models.skips import Skips

__all__ = ["Encoder", "EncoderDecoder", "Skips"]
