"""How much memory this process may still take, where the system says so."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["available_memory"]

_CGROUP = Path("/sys/fs/cgroup")


def available_memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = _CGROUP) -> int:
    """Return bytes: what the system has left, or what a Slurm job or container is allowed, whichever is less.

    Where neither is told, half of the machine's memory, or 4 GB.
    """
    limits = []
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
        limits.append(int(lines["MemAvailable"].split()[0]) * 1024)
    except (OSError, ValueError, KeyError, IndexError):
        pass
    try:
        allowed = int((cgroup / "memory.max").read_text(encoding="ascii"))
        limits.append(allowed - int((cgroup / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):  # "max" stands for no limit
        pass
    if limits:
        return max(0, min(limits))
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (OSError, ValueError, AttributeError):
        return 4_000_000_000
