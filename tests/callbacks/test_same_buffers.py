"""Ranks evaluate with the same running statistics, rank 0's."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from seglight.callbacks.same_buffers import SameBuffers


def as_rank(rank: int, folder: Path, answers: Any) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    net = nn.BatchNorm2d(3)
    net.running_mean += rank + 1  # type: ignore[operator]
    task: Any = SimpleNamespace(net=net)
    trainer: Any = None
    SameBuffers().on_validation_start(trainer, task)
    answers.put((rank, net.running_mean.tolist()))  # type: ignore[union-attr,operator]
    dist.destroy_process_group()


def test_every_rank_has_rank_zeros_statistics(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    ranks = [context.Process(target=as_rank, args=(rank, tmp_path, answers)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    assert sorted(answers.get(timeout=60) for _ in ranks) == [(0, [1.0] * 3), (1, [1.0] * 3)]
    for rank in ranks:
        rank.join(timeout=60)
        assert rank.exitcode == 0


def test_one_process_keeps_its_own(tmp_path: Path) -> None:
    net = nn.BatchNorm2d(3)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    task: Any = SimpleNamespace(net=net)
    trainer: Any = None
    SameBuffers().on_validation_start(trainer, task)
    assert all(torch.equal(buffer, before[name]) for name, buffer in net.named_buffers())
