"""seglight's network in the peer script's loop, with the differences between the two switched one at a time.

    python experiments/causes/train.py NAME [key=value ...]

Keys and their first values, which are the peer script's (experiments/benchmarks/time_to_score/peer.py):
    net=unet|paper|smp      seglight's decoder=unet, seglight's decoder=unet_paper, or smp.Unet itself
    convs=uniform|normal|own  decoder's 3x3 convolutions: He uniform (SMP), He normal, or as the network comes
    head=xavier|torch|own|zero  score layer: Xavier uniform with bias 0 (SMP), torch's default, as it comes, zeros
    schedule=torch|seglight|nomomentum|pct25
    decay=1e-4|1e-2  norms=decay|nodecay
    augment=script|standard|light|nojitter|mean|end
    eval=padded|native
    lr=1e-3 crop=352 epochs=7 seed=0 loss=ce_dice|ce precision=bf16|fp32
    every=1                 every n-th validation image is scored
    overrides=A,B           further overrides of seglight's network
Every run of one seed sees the same images in the same order, and the same windows under the same augmentation.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import nn

import seglight
from seglight.data.scale_crop import IMAGENET_MEAN, RandomScaleCrop
from seglight.schedule import OneCycle

DEFAULTS = {
    "net": "unet", "convs": "uniform", "head": "xavier", "schedule": "torch", "decay": "1e-4", "norms": "decay",
    "augment": "script", "eval": "padded", "lr": "1e-3", "crop": "352", "epochs": "7", "seed": "0",
    "loss": "ce_dice", "overrides": "", "precision": "bf16", "every": "1",
}  # fmt: skip
NAMES = ["sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicycle"]


def images(split: str) -> list[tuple[np.ndarray, np.ndarray]]:
    root = Path(os.environ["SEGLIGHT_DATA"]) / "camvid"
    pairs = []
    for path in sorted((root / split).glob("*.png")):
        mask = cv2.imread(str(root / f"{split}annot" / path.name), 0)
        mask[mask > 10] = 255
        pairs.append((cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), mask))
    return pairs


def transform(name: str, crop: int) -> A.Compose:
    def padded(fill: object, position: str) -> A.BasicTransform:
        return A.PadIfNeeded(crop, crop, border_mode=0, fill=fill, fill_mask=255, position=position)

    scaled, cut = A.RandomScale((-0.25, 0.5), p=1), [A.RandomCrop(crop, crop), A.HorizontalFlip()]
    jitter = A.ColorJitter((0.7, 1.3), (0.7, 1.3), (0.7, 1.3), (-0.02, 0.02), p=0.5)
    return A.Compose(
        {
            "script": [scaled, padded(0, "center"), *cut],
            "mean": [scaled, padded(IMAGENET_MEAN, "center"), *cut],
            "end": [scaled, padded(0, "top_left"), *cut],
            "jitter": [scaled, padded(0, "center"), *cut, jitter],
            "nojitter": [RandomScaleCrop(crop, (0.75, 1.5)), A.HorizontalFlip()],
            "standard": [RandomScaleCrop(crop, (0.75, 1.5)), A.HorizontalFlip(), jitter],
            "light": [RandomScaleCrop(crop, (0.8, 1.25)), A.HorizontalFlip()],
        }[name]
    )


def network(o: dict[str, str]) -> tuple[nn.Module, list[nn.Conv2d], nn.Conv2d]:
    """The network on raw pixels, its decoder's convolutions and its score layer."""
    if o["net"] == "smp":
        own = seglight.build_model(seglight.compose("encoder=efficientnet_lite0", "data=camvid", "decoder=unet"))
        net = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=11)
        net.encoder.model.load_state_dict(own.encoder.net.state_dict())
        net.forward_raw = net.forward
        net.forward = lambda x: net.forward_raw((x - 127.5) / 127.5)
        return net, [m for m in net.decoder.modules() if isinstance(m, nn.Conv2d)], net.segmentation_head[0]
    kind = ["decoder=unet"] if o["net"] == "unet" else []
    more = filter(None, o["overrides"].split(","))
    cfg = seglight.compose("model=unet", "encoder=efficientnet_lite0", "data=camvid", *kind, *more)
    net = seglight.build_model(cfg)
    head = net.decoder.head
    convs = [m for m in net.decoder.blocks.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    return net, convs, head


def initialise(convs: list[nn.Conv2d], head: nn.Conv2d, o: dict[str, str]) -> None:
    for conv in convs:
        if o["convs"] == "uniform":
            nn.init.kaiming_uniform_(conv.weight, mode="fan_in", nonlinearity="relu")
        elif o["convs"] == "normal":
            nn.init.kaiming_normal_(conv.weight, mode="fan_in", nonlinearity="relu")
    if o["head"] == "torch":
        head.reset_parameters()
    elif o["head"] == "zero":
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    elif o["head"] != "own":
        nn.init.xavier_uniform_(head.weight)
        nn.init.zeros_(head.bias)


def groups(net: nn.Module, o: dict[str, str]) -> list[dict]:
    vectors = [p for p in net.parameters() if p.dim() == 1]
    return [
        {"params": [p for p in net.parameters() if p.dim() > 1]},
        {"params": vectors, **({"weight_decay": 0.0} if o["norms"] == "nodecay" else {})},
    ]


def main() -> None:
    name, o = sys.argv[1], dict(DEFAULTS)
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    assert set(given) <= set(o), set(given) - set(o)
    o |= given
    seed, epochs, crop, lr = int(o["seed"]), int(o["epochs"]), int(o["crop"]), float(o["lr"])
    torch.manual_seed(seed)
    net, convs, head = network(o)
    torch.manual_seed(seed)
    initialise(convs, head, o)
    net = net.to(memory_format=torch.channels_last)
    train, val, tf = images("train"), images("val")[:: int(o["every"])], transform(o["augment"], crop)
    steps = epochs * (len(train) // 8)
    opt = torch.optim.AdamW(groups(net, o), lr=lr, weight_decay=float(o["decay"]))
    if o["schedule"] == "seglight":
        sched = OneCycle()(opt, steps, len(train) // 8)
    else:
        more = {"nomomentum": {"cycle_momentum": False}, "pct25": {"pct_start": 0.25}}.get(o["schedule"], {})
        sched = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=steps, **more)
    ce, dice = nn.CrossEntropyLoss(ignore_index=255), smp.losses.DiceLoss("multiclass", ignore_index=255)
    curve, losses = [], []
    for epoch in range(epochs):
        net.train()
        order, total = np.random.default_rng((seed, epoch)).permutation(len(train)), 0.0
        for step in range(len(train) // 8):
            made = []
            for i in order[step * 8 : step * 8 + 8]:
                rng = np.random.default_rng((seed, epoch, int(i)))
                tf.set_random_state(rng, random.Random(int(rng.integers(2**63))))
                made.append(tf(image=train[i][0], mask=train[i][1]))
            x = torch.from_numpy(np.stack([m["image"] for m in made])).permute(0, 3, 1, 2).float()
            y = torch.from_numpy(np.stack([m["mask"] for m in made])).long()
            with torch.autocast("cpu", torch.bfloat16, enabled=o["precision"] == "bf16"):
                out = net(x.contiguous(memory_format=torch.channels_last))
            loss = ce(out.float(), y) + (dice(out.float(), y) if o["loss"] == "ce_dice" else 0)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            total += loss.item()
        net.eval()
        conf = torch.zeros(121, dtype=torch.long)
        with torch.inference_mode():
            for n in range(0, len(val), 8):
                x = np.stack([v[0] for v in val[n : n + 8]])
                y = torch.from_numpy(np.stack([v[1] for v in val[n : n + 8]])).long()
                if o["eval"] == "padded":
                    x = np.pad(x, ((0, 0), (0, 24), (0, 0), (0, 0)))
                with torch.autocast("cpu", torch.bfloat16, enabled=o["precision"] == "bf16"):
                    p = net(torch.from_numpy(x).permute(0, 3, 1, 2).float()).argmax(1)[:, :360]
                k = y != 255
                conf += torch.bincount(y[k] * 11 + p[k], minlength=121)
        c = conf.view(11, 11).double()
        iou = c.diag() / (c.sum(0) + c.sum(1) - c.diag())
        curve.append(f"{iou.nanmean():.4f}")
        losses.append(f"{total / (len(train) // 8):.3f}")
        print(f"  {name} epoch {epoch + 1} loss {losses[-1]} miou {curve[-1]}", flush=True)
    zero = ",".join(n for n, v in zip(NAMES, iou, strict=True) if v < 0.02)
    print(f"{name} | {' '.join(sys.argv[2:])} | loss {' '.join(losses)} | miou {' '.join(curve)} | dead {zero}")
    print("   " + " ".join(f"{n} {v:.2f}" for n, v in zip(NAMES, iou, strict=True)))


if __name__ == "__main__":
    main()
