"""Where encoder maps join the decoder, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from seglight.models.encoder import Encoder
from seglight.values import number, one_of, whole


class Skips:
    """`op` at `strides` (null: every stride the encoder has below its deepest), each map times its fixed scale.

    scales: by stride (Shelhamer et al. 2017, section 4.3: FCN-8s at once takes pool4 x 0.01 and pool3 x 0.0001).
    """

    def __init__(
        self,
        name: str,
        op: Literal["none", "add", "concat"] = "none",
        strides: Sequence[int] | None = None,
        scales: Mapping[int, float] | None = None,
    ) -> None:
        one_of("skips.op", op, ("none", "add", "concat"))
        for stride in strides or ():
            whole("skips.strides", stride)
        for scale in (scales or {}).values():
            number("skips.scales", scale)
        self.name, self.op = name, op
        self.strides = None if strides is None else sorted(strides, reverse=True)
        self.scales = {int(stride): float(scale) for stride, scale in (scales or {}).items()}

    def of(self, encoder: Encoder) -> list[int]:
        """The strides at which this encoder's maps join, from the deepest upwards."""
        if self.op == "none":
            return []
        have = sorted((s for s in encoder.channels if s < encoder.stride), reverse=True)
        lacking = [s for s in self.strides or [] if s not in have]
        if lacking or not have:
            raise ValueError(
                f"skips={self.name} needs maps at stride {lacking or 'below the deepest'}, which "
                f"encoder={encoder.option} lacks: above its deepest map (stride {encoder.stride}) it has strides {have}"
            )
        return have if self.strides is None else self.strides

    def refuse(self, decoder: str) -> None:
        """For a decoder that has no place for skips."""
        if self.op != "none":
            raise ValueError(f"skips={self.name}: decoder={decoder} takes no skip connections; use skips=none")
