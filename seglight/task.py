"""The one LightningModule: loss, metrics, optimizer, schedule and freeze policy around a network.

Shapes: B batch, K classes, H W pixels.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MeanMetric

from seglight.adapters.base import leave_out, put_back
from seglight.calibration import Calibration
from seglight.freeze_policy import FreezePolicy
from seglight.ignore import IGNORE_INDEX
from seglight.inference import Inference
from seglight.metrics import SegmentationMetrics
from seglight.optim import Recipe
from seglight.schedule import share_of_run

log = logging.getLogger(__name__)

LONG = 1_000_000  # classifications: a minute or more on a CPU


class SegmentationTask(L.LightningModule):
    """Trains `net` (images [B, 3, H, W] uint8 -> logits [B, K, H, W]) on batches {image, mask, name}.

    loss(logits, labels) is a scalar in which label 255 does not count. Logs train/loss each step and the scores of
    `SegmentationMetrics` under val/ each epoch.
    """

    def __init__(
        self,
        net: nn.Module,
        loss: nn.Module,
        recipe: Recipe,
        schedule: Callable[..., Any],
        policy: FreezePolicy,
        num_classes: int,
        classes: Sequence[str] | None = None,
        inference: Inference | None = None,
        seed: int = 0,
        channels_last: bool = True,
        base: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.loss = net, loss
        self.recipe, self.schedule, self.policy = recipe, schedule, policy
        self.base = base  # what checkpoints name and leave out (seglight.runs.base)
        self.metrics = SegmentationMetrics(num_classes, classes)
        self.inference = inference or Inference()
        self.scores: dict[str, float] = {}  # of the last evaluation, in float64
        self.clock: Callable[[], float] | None = None  # the share of trainer.max_time that has passed
        self.total_steps = float("inf")  # of the run
        self.train_loss = torch.zeros(())  # of the last step, in the program's own memory
        self.calibration: Calibration | None = None  # counted too where there is one
        self.look: Callable[[Tensor, dict[str, Any]], None] | None = None  # at the logits of each evaluated batch
        self.val_loss = MeanMetric(nan_strategy="disable")  # over the labelled pixels of the last evaluation
        self.seed = seed
        self.said_cost = False
        self.epoch_steps = 0  # optimizer steps of an epoch
        self.steps_before: int | None = None  # as many when the checkpoint was written
        self.settings: list[dict[str, Any]] = []  # of the optimizer's groups, as the config has them
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images.contiguous(memory_format=self.memory_format))
        return logits

    # training

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["steps_per_epoch"] = self.epoch_steps
        if self.base:
            checkpoint["base"] = self.base
            leave_out(checkpoint, self.net)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.steps_before = checkpoint.get("steps_per_epoch")
        self.base = checkpoint.get("base")  # a run that goes on leaves out what it did
        if self.base:
            put_back(checkpoint, self.net)

    def on_train_start(self) -> None:
        """The config's rates, decay and batches, which a resumed run may have changed, in place of the checkpoint's."""
        optimizer, scheduler = self.trainer.optimizers[0], cast(LambdaLR, self.lr_schedulers())
        if self.steps_before and self.trainer.max_steps < 0:  # the same share of the run, in steps as they are now
            scheduler.last_epoch = round(scheduler.last_epoch * self.epoch_steps / self.steps_before)
            self.steps_before = None
        scheduler.base_lrs = [settings["initial_lr"] for settings in self.settings]
        for group, settings, factor in zip(optimizer.param_groups, self.settings, scheduler.lr_lambdas, strict=True):
            group.update(settings, lr=settings["initial_lr"] * factor(scheduler.last_epoch))

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        # What the network draws (dropout, sampled pixels) is a function of (seed, step, rank): resumes repeat it.
        key = f"{self.seed}/{self.current_epoch}/{batch_idx}/{self.global_rank}"
        seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=7).digest(), "big")
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        elif self.device.type != "cpu":
            torch.manual_seed(seed)  # every kind of device, which takes 1 ms
        self.check_images(batch)

    def check_images(self, batch: dict[str, Any]) -> None:
        """The first images that are not uint8 must be pixels; the network asks for it too, but not when compiled."""
        if hasattr(self.net, "check_images"):
            self.net.check_images(batch["image"])  # type: ignore[operator]

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        images = batch["image"].contiguous(memory_format=self.memory_format)
        with one_value_explained(images):
            pairs = self.pairs(images, batch["mask"].long(), batch.get("maps"))
        loss: Tensor = sum(weight * self.loss(logits.float(), labels) for logits, labels, weight in pairs)  # type: ignore[assignment]
        # Waits for a GPU's forward pass and no longer: from here on the GPU works while the program goes ahead of it.
        self.train_loss = loss.detach().cpu()
        if not torch.isfinite(self.train_loss):
            raise FloatingPointError(
                f"the loss is {self.train_loss.item()} at step {self.global_step} (epoch {self.current_epoch}) on "
                f"{', '.join(batch['name'])}: lower optim.lr={self.recipe.lr:g}, set trainer.gradient_clip_val=1, "
                "or look at those files"
            )
        self.log("train/loss", self.train_loss, prog_bar=True, on_step=True, batch_size=len(images))
        return loss

    def pairs(self, images: Tensor, masks: Tensor, maps: list[Tensor | None] | None) -> list[Any]:
        """What the loss is computed on: (logits, labels, weight)s; of the encoder's maps where they are kept."""
        net: Any = self.net
        if maps is not None:
            return list(net.pairs_of_maps(maps, masks))
        if hasattr(net, "training_pairs"):
            return list(net.training_pairs(images, masks))
        return [(net(images), masks, 1.0)]

    def configure_optimizers(self) -> Any:
        scaled = getattr(self.trainer.precision_plugin, "scaler", None) is not None
        clips_scaled = scaled and bool(self.trainer.gradient_clip_val)  # then Lightning has to undo the scale, to clip
        optimizer = self.recipe(self.net, self.policy, unscales=not clips_scaled)
        self.total_steps, self.epoch_steps = self.steps()
        scheduler = self.schedule(optimizer, self.total_steps, self.epoch_steps, self.clock or (lambda: 0.0))
        self.settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def progress(self) -> float:
        """How far the run is, 0 to 1, as its schedule sees it."""
        steps = cast(LambdaLR, self.lr_schedulers()).last_epoch
        return share_of_run(steps, self.total_steps, self.clock or (lambda: 0.0))

    def steps(self) -> tuple[float, int]:
        """Optimizer steps of the whole run (infinite where trainer.max_time alone ends it), and of an epoch."""
        total = self.trainer.estimated_stepping_batches
        self.trainer.fit_loop.setup_data()  # Lightning has not, where max_steps alone gives the total
        batches = self.trainer.num_training_batches
        endless = batches == float("inf")
        if (total == float("inf") and self.clock is None) or (endless and total < 1):
            why = "the data has no length (an IterableDataset)" if endless else "no trainer.max_epochs is set"
            raise ValueError(f"trainer.max_steps=N is needed, for the learning rate's schedule: {why}")
        epoch = total if endless else -(-batches // self.trainer.accumulate_grad_batches)
        return max(total, 1), max(int(min(epoch, 2**31)), 1)

    # evaluation

    def on_validation_epoch_start(self) -> None:
        self.metrics.reset()
        self.val_loss.reset()
        if self.calibration is not None:
            self.calibration.reset()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        if "maps" in batch:  # the encoder's, kept by data.cache=features
            logits: Tensor = self.net.decode(batch["maps"], batch["mask"].shape[-2:]).float()  # type: ignore[operator]
        else:
            if batch_idx == 0:
                self.say_cost(batch["image"])
            logits = self.inference(self, batch["image"])
        labelled = (batch["mask"] != IGNORE_INDEX).sum()
        if labelled > 0:
            self.val_loss.update(self.loss(logits, batch["mask"].long()), labelled)
        prediction = logits.argmax(1)
        self.metrics.update(prediction, batch["mask"])
        if self.calibration is not None:
            self.calibration.update(logits, batch["mask"])
        if self.look is not None:
            self.look(logits, batch)
        return prediction

    def say_cost(self, images: Tensor) -> None:
        """Says, once, that an evaluation will take long, where the network classifies pixel by pixel."""
        classifications = getattr(getattr(self.net, "decoder", None), "classifications", None)
        if classifications is None or self.said_cost:
            return
        self.said_cost = True
        each, batches = classifications(*images.shape[-2:]), self.trainer.num_val_batches
        count = len(images) * int(sum(batches) if isinstance(batches, list) else batches)
        if each * count > LONG:
            log.info(
                "evaluation will take long: %s patches are classified in each of about %s images; a larger "
                "decoder.stride classifies fewer (model=patch_interpolate stride=8: one in 64)",
                f"{each:,}",
                f"{count:,}",
            )

    def on_validation_epoch_end(self) -> None:
        self.scores = {f"val/{name}": value for name, value in self.metrics.scores().items()}
        self.log_dict({**self.scores, "val/loss": self.val_loss.compute()})


@contextmanager
def one_value_explained(images: Tensor) -> Iterator[None]:
    """torch's refusal of a norm over a single value, as what is wrong and which keys change it."""
    try:
        yield
    except Exception as error:  # a compiled network wraps it in errors of its own
        if "Expected more than 1" not in str(error):
            raise
        count, height, width = len(images), *images.shape[-2:]
        raise ValueError(
            f"a batch of {count}, {height} x {width} pixels, leaves a norm one value per channel, too few to "
            "average: raise data.batch_size or data.crop_size"
        ) from None
