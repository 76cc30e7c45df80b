"""How W&B is reached from here, and which run a folder belongs to. Only the standard library: commands start fast."""

from __future__ import annotations

import json
import netrc
import os
import socket
import uuid
from pathlib import Path
from urllib.parse import urlparse

from leap_avvp.errors import DataError, check_choice
from leap_avvp.files import write_whole

__all__ = ["RUN_FILE", "has_key", "run_id", "wandb_mode"]

RUN_FILE = "wandb-run.json"
"""Where a folder keeps the id of its W&B run."""
_MODES = ("auto", "online", "offline", "disabled")


def _host() -> str:
    return urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or "api.wandb.ai"


def has_key() -> bool:
    """Say whether this user has a key for the W&B server."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(_host()) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def wandb_mode(mode: str = "auto") -> tuple[str, str]:
    """Return W&B's mode and one line that states it and why.

    ``auto`` asks the network only where a key shows that the user logs there; ``WANDB_MODE`` is obeyed.

    Raises:
        ConfigError: no such mode.
    """
    check_choice("logger.mode", mode, _MODES)
    asked = os.environ.get("WANDB_MODE")
    if mode == "auto" and asked in _MODES[1:]:
        return asked, f"W&B: {asked} (WANDB_MODE)"
    if mode != "auto":
        return mode, f"W&B: {mode}"
    later = "`leap-avvp wandb-sync FOLDER` sends the run later"
    if not has_key():
        return "offline", f"W&B: offline, no API key found; {later}"
    try:
        socket.create_connection((_host(), 443), timeout=3).close()
    except OSError:
        return "offline", f"W&B: offline, {_host()} cannot be reached; {later}"
    return "online", "W&B: online"


def run_id(folder: Path, config_hash: str = "") -> str:
    """Return the id of the folder's W&B run: the same one for as long as the folder and its configuration stay.

    The id is drawn once and kept in the folder. One that is computed from names alone would be shared by two machines,
    and could never be used again once its run is deleted on the server.

    Args:
        folder: of the run; it may be moved.
        config_hash: of the run; a training of another configuration in the same folder is another run.

    Raises:
        DataError: the id cannot be written.
    """
    path = folder / RUN_FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it to start another W&B run") from error
    if isinstance(known, dict) and known.get("config_hash") == config_hash and isinstance(known.get("id"), str):
        return str(known["id"])
    drawn = uuid.uuid4().hex[:16]
    write_whole(path, json.dumps({"id": drawn, "config_hash": config_hash}) + "\n")
    return drawn
