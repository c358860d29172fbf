"""`evaluate instances=true`: the objects that the network finds in each image, beside the true ones."""

# Shapes: B batch, K classes, H W pixels

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
from torch import Tensor

from seglight.callbacks.gathering import on_rank_0
from seglight.deploy.prediction import Prediction
from seglight.objects.numbering import Numbering
from seglight.objects.scores import ObjectScores, merged


class CountObjects(L.Callback):
    """Compares objects image by image; rank 0 has those of all ranks in `scores` when the evaluation has ended.

    An object's confidence is its mean probability, so the task hands over the logits that the masks come from.
    """

    def __init__(self, data: Any, numbering: Numbering) -> None:
        self.data, self.numbering = data, numbering
        self.scores: ObjectScores | None = None

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        things = self.numbering.indices(self.data.classes, self.data.things)
        self.scores = ObjectScores(self.data.classes, things)
        self.pairs = {pair.name: pair for pair in self.data.listed(self.data.split)}
        pl_module.look = self.look

    def look(self, logits: Tensor, batch: dict[str, Any]) -> None:
        """Counts a batch. logits: [B, K, H, W], those of the batch's images."""
        assert self.scores is not None
        shares, masks = logits.softmax(1).cpu().numpy(), logits.argmax(1).cpu().numpy().astype(np.uint8)
        images = zip(batch["name"], batch["image"], masks, shares, batch["mask"].cpu().numpy(), strict=False)
        for name, image, mask, probabilities, labels in images:  # a stand-in has no name
            shown = self.data.pictured(image.permute(1, 2, 0).cpu().numpy())
            prediction = Prediction(mask, shown, self.data.classes, self.data.palette, probabilities)
            true = self.data.instances(self.pairs[name], labels)
            try:
                found, objects = self.numbering(prediction, self.data.things)
                self.scores.update(found, objects, mask, true, labels)
            except ValueError as error:  # too many
                raise ValueError(f"{name}: {error}") from None

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.look = None
        self.scores = merged(on_rank_0([self.scores]))
