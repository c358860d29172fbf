"""How much memory is free, and refusing what would not fit."""

from __future__ import annotations

from pathlib import Path


def refuse_too_large(needed: int, free: int, what: str, where: str) -> None:
    """ValueError before anything is built that would not fit."""
    if needed > 0.9 * free:
        raise ValueError(f"{what}: {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free in {where}")


def available_memory() -> int:
    """Bytes that can still be used, by the system and in this container; very many where neither says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 1 << 60
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 1 << 60)
    return min(free, container_memory())


def container_memory() -> int:
    """Bytes below the limit of the control group, as Docker and SLURM set it."""
    group = Path("/sys/fs/cgroup")
    try:
        name = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        place = group / name.removeprefix("0::/")
        place = place if (place / "memory.max").exists() else group
        limit, used = (int((place / f"memory.{what}").read_text()) for what in ("max", "current"))
        cached = next(
            int(line.split()[1])
            for line in (place / "memory.stat").read_text().splitlines()
            if line.startswith("file ")
        )
    except (OSError, StopIteration, ValueError):  # no such limit
        return 1 << 60
    return max(limit - used + cached, 0)
