"""What every rank has seen of an evaluation, brought together."""

from __future__ import annotations

from typing import Any

import torch.distributed as dist

from seglight.data.sampler import dealt, rank_and_world


def on_rank_0(items: list[Any]) -> list[Any]:
    """Rank 0 gets the items of all ranks in the order of the split, as the sampler dealt them out; others their own."""
    rank, world = rank_and_world()
    if world == 1:
        return items
    parts: Any = [None] * world if rank == 0 else None
    dist.gather_object(items, parts)
    return dealt(parts or [items])


def on_every_rank(items: list[Any]) -> list[Any]:
    """The items of all ranks, one rank's after the other's, on each of them."""
    _, world = rank_and_world()
    if world == 1:
        return items
    parts: list[Any] = [None] * world
    dist.all_gather_object(parts, items)
    return [item for part in parts for item in part]
