"""Sends a study's offline W&B runs to the server, in the order in which they were made."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.tracking.wandb_mode import has_key

__all__ = ["OfflineRun", "find_runs", "sync_folder", "sync_part"]

_PART = re.compile(r"offline-run-(\d{8}_\d{6})-.+")

Sync = Callable[[Path], "subprocess.CompletedProcess[str]"]
"""Sends one run folder."""


@dataclasses.dataclass(frozen=True)
class OfflineRun:
    """One part of a run, as one session left it: a resumed run has several with the same id."""

    folder: Path
    """``.../wandb/offline-run-<start>-<id>``, where W&B may append a number."""
    start: str
    """``YYYYMMDD_HHMMSS``."""
    id: str

    def is_synced(self) -> bool:
        """Say whether W&B has marked it as sent."""
        return (self.folder / f"run-{self.id}.wandb.synced").exists()


def find_runs(folder: str | Path) -> list[OfflineRun]:
    """Return all offline runs below a folder in the order in which to send them.

    Runs go by the time of their first part, which is the order of a study's cells; the parts of one follow each other.
    The study's own summary run goes last.

    Raises:
        DataError: no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected the folder of a study or run, found none")
    parts = []
    for path in folder.glob("**/wandb/offline-run-*"):
        named = _PART.fullmatch(path.name)
        if named:
            files = path.glob("run-*.wandb")
            parts += [OfflineRun(path, named[1], file.stem.removeprefix("run-")) for file in files]
    first: dict[str, str] = {}
    for part in sorted(parts, key=lambda part: part.start):
        first.setdefault(part.id, part.start)
    return sorted(parts, key=lambda part: (_is_summary(part), first[part.id], part.id, part.start, part.folder.name))


def _is_summary(part: OfflineRun) -> bool:
    return (part.folder.parents[1] / "cells").is_dir()  # a study's folder; its cells' folders hold runs alone


def sync_part(folder: Path) -> subprocess.CompletedProcess[str]:
    """Send one run folder by W&B's own command, and return what it said in ``stdout``."""
    unwanted = ("WANDB_MODE", "WANDB_RUN_ID", "WANDB_SILENT")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    return subprocess.run(
        [sys.executable, "-m", "wandb", "sync", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        check=False,
    )


def sync_folder(folder: str | Path, *, dry_run: bool = False, sync: Sync = sync_part) -> int:
    """List or send the runs below a folder, a line for each; return 0 when all are sent, else 1.

    Args:
        folder: of the study, or of a single run.
        dry_run: list what would be sent, and send nothing.
        sync: sends one run folder.

    Raises:
        ConfigError: there is something to send, and no key.
        DataError: no such folder, or no offline run in it.
    """
    parts = find_runs(folder)
    if not parts:
        raise DataError(f"{folder}: expected offline W&B runs (wandb/offline-run-*) below it, found none")
    left = [part for part in parts if not part.is_synced()]
    if left and not dry_run and not has_key():
        raise ConfigError("no W&B API key found: `wandb login` once, or set WANDB_API_KEY; --dry-run needs none")
    failed: set[str] = set()
    for number, part in enumerate(parts, start=1):
        head = f"[{number}/{len(parts)}] {part.folder.relative_to(folder)}:"
        if part.is_synced():
            print(f"{head} sent before")
        elif dry_run:
            print(f"{head} to send")
        elif part.id in failed:
            print(f"{head} not sent: an earlier part of this run was not")
        else:
            done = sync(part.folder)
            # W&B's command ends with 0 even where nothing was sent; its mark tells.
            if done.returncode == 0 and part.is_synced():
                print(f"{head} sent", flush=True)
                continue
            failed.add(part.id)
            print(f"{head} not sent, exit code {done.returncode}\n{done.stdout.rstrip()}", flush=True)
    if failed:
        runs = "1 run was" if len(failed) == 1 else f"{len(failed)} runs were"
        print(f"{runs} not sent; the same command tries what is left again", file=sys.stderr)
    return 1 if failed else 0
