"""Loggers of a run: W&B (offline when there is no key or no network), CSV, TensorBoard."""

from __future__ import annotations

import hashlib
import netrc
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger

from leap_avvp.errors import ConfigError, check_choice

__all__ = ["csv_logger", "tensorboard_logger", "wandb_logger", "wandb_mode"]

_MODES = ("auto", "online", "offline", "disabled")


def _wandb_host() -> str:
    return urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or "api.wandb.ai"


def _has_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(_wandb_host()) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def wandb_mode(mode: str = "auto") -> tuple[str, str]:
    """Return W&B's mode and one line that states it and why.

    ``auto`` asks the network only where a key shows that the user logs there; ``WANDB_MODE`` is obeyed.
    """
    check_choice("logger.mode", mode, _MODES)
    asked = os.environ.get("WANDB_MODE")
    if mode == "auto" and asked in _MODES[1:]:
        return asked, f"W&B: {asked} (WANDB_MODE)"
    if mode != "auto":
        return mode, f"W&B: {mode}"
    later = "`wandb sync` sends the run later"
    if not _has_key():
        return "offline", f"W&B: offline, no API key found; {later}"
    try:
        socket.create_connection((_wandb_host(), 443), timeout=3).close()
    except OSError:
        return "offline", f"W&B: offline, {_wandb_host()} cannot be reached; {later}"
    return "online", "W&B: online"


def wandb_logger(
    save_dir: str,
    project: str = "leap-avvp",
    entity: str | None = None,
    group: str | None = None,
    name: str | None = None,
    mode: str = "auto",
    tags: list[str] | None = None,
) -> Logger:
    """Return a W&B logger whose run is tied to ``save_dir``: the same folder continues the same run."""
    chosen, line = wandb_mode(mode)
    print(line)
    identity = hashlib.sha256(f"{project}|{group}|{name}|{Path(save_dir).resolve()}".encode()).hexdigest()[:16]
    settings: dict[str, Any] = {"mode": chosen, "group": group, "entity": entity, "tags": tags}
    if chosen != "disabled":
        settings |= {"resume": "allow"}
    os.environ.setdefault("WANDB_SILENT", "true")
    return WandbLogger(project=project, name=name, id=identity, save_dir=save_dir, **settings)


def csv_logger(save_dir: str, **_: Any) -> Logger:
    """Return a logger that writes ``metrics.csv`` into ``save_dir``."""
    return CSVLogger(save_dir=save_dir, name="", version="csv")


def tensorboard_logger(save_dir: str, **_: Any) -> Logger:
    """Return a TensorBoard logger; it needs the extra ``leap-avvp[tensorboard]``."""
    try:
        return TensorBoardLogger(save_dir=save_dir, name="", version="tensorboard")
    except ModuleNotFoundError as error:
        raise ConfigError("logger=tensorboard needs TensorBoard: pip install 'leap-avvp[tensorboard]'") from error
