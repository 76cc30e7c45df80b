"""What of the machine this process may use (memory and threads), and the signals by which it asks one to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["STOP_SIGNALS", "available_memory", "cpu_threads"]

STOP_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
"""Those of them that the system has. Slurm is often told to send SIGUSR1 some time before it ends a job
(`--signal=USR1@60`)."""

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


def cpu_threads() -> int:
    """Return how many threads this process may use: ``OMP_NUM_THREADS``, or the cores that it is given."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
