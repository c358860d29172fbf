"""How many processes a job is on this machine: what `trainer.devices` asks for."""

from __future__ import annotations

from omegaconf import DictConfig

from seglight.ranks.environment import started_by_others, world_size


def local_ranks(trainer: DictConfig) -> int:
    """How many processes `trainer.devices` asks for on this machine; under torchrun or srun how many there are."""
    ranks = asked_for(trainer)
    if started_by_others():
        there: int = world_size() // trainer.num_nodes
        if trainer.devices not in ("auto", -1) and ranks * trainer.num_nodes != world_size():
            raise ValueError(
                f"{world_size()} ranks were started, trainer.devices={trainer.devices} "
                f"trainer.num_nodes={trainer.num_nodes} asks for {ranks * trainer.num_nodes}: "
                f"trainer=ddp trainer.devices={there} would fit"
            )
        return there
    return ranks


def asked_for(trainer: DictConfig) -> int:
    """The number of devices that `trainer.devices` stands for."""
    devices = trainer.devices
    if devices in ("auto", -1):
        return max(gpus(trainer), 1)
    if isinstance(devices, int):
        if devices < 1:
            raise ValueError(f"trainer.devices={devices}: a number from 1, auto, -1 or a list of devices")
        return devices
    if isinstance(devices, str):
        return len([part for part in devices.split(",") if part.strip()])
    return len(devices)


def gpus(trainer: DictConfig) -> int:
    """How many GPUs the trainer's accelerator would see."""
    import torch

    return torch.cuda.device_count() if trainer.accelerator in ("auto", "gpu", "cuda") else 0
