"""How W&B is reached from here, and which run a folder belongs to. The standard library alone, as long as it will do.

What W&B's own library reads is read here, too, without its seconds of imports: its environment variables, the settings
files that ``wandb offline`` and ``wandb login`` write, ``~/.netrc``, and the variables that name a proxy.
"""

from __future__ import annotations

import configparser
import json
import netrc
import os
import socket
import uuid
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from leap_avvp.errors import ConfigError, DataError, check_choice
from leap_avvp.files import write_whole

__all__ = ["RUN_FILE", "agent_run", "destination", "files_folder", "has_key", "run_id", "wandb_mode"]

RUN_FILE = "wandb-run.json"
"""Where a folder keeps the id of its W&B run."""
_PROJECT = "leap-avvp"
_MODES = ("online", "offline", "disabled", "shared", "dryrun", "run")
_SAME = {"dryrun": "offline", "run": "online"}  # W&B's older words
_CLOUD = ("api.wandb.ai", "api.forge.coreweave.com")  # one cloud, which later versions of W&B call by another name
_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def _settings_files() -> list[Path]:
    """Return where W&B's settings may stand, what decides last: the user's, then those of the working directory."""
    config = os.environ.get("WANDB_CONFIG_DIR")
    user = Path(config).expanduser() if config else Path("~/.config/wandb").expanduser()
    roots = list(dict.fromkeys((Path().absolute(), files_folder(Path()))))  # W&B writes to WANDB_DIR, where that is set
    folders = [root / (".wandb" if (root / ".wandb").exists() else "wandb") for root in roots]
    return [folder / "settings" for folder in (user, *folders)]


def _setting(name: str) -> tuple[str, str] | None:
    """Return the value of one of W&B's settings and where it stands, or None: a variable goes before the files."""
    variable = f"WANDB_{name.upper()}"
    if variable in os.environ:
        return os.environ[variable], variable
    found = None
    for path in _settings_files():
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, ValueError, configparser.Error):
            continue  # as W&B, which says so when it starts
        if parser.has_option("default", name):
            found = parser.get("default", name), f"{path}: {name}"
    return found


def _named_server() -> SplitResult | None:
    """Return the server that the user names, or None for W&B's cloud.

    Raises:
        ConfigError: what is named is no address.
    """
    named = _setting("base_url")
    if named is None:
        return None
    server = urlsplit(named[0].strip())
    try:
        valid = server.scheme in ("http", "https") and bool(server.hostname) and server.port != 0
    except ValueError:  # a port that is none
        valid = False
    if not valid:
        raise ConfigError(f"{named[1]}: expected http://HOST:PORT or https://HOST, found {named[0]!r}")
    return server


def _server() -> SplitResult:
    named = _named_server()
    if named is not None:
        return named
    import wandb  # which of its names the cloud has depends on the version

    return urlsplit(str(wandb.Settings().base_url))


def _netrc_file() -> Path:
    if os.environ.get("NETRC"):
        return Path(os.environ["NETRC"]).expanduser()
    usual, windows = Path("~/.netrc").expanduser(), Path("~/_netrc").expanduser()
    return windows if windows.exists() and not usual.exists() else usual


def has_key() -> bool:
    """Say whether this user has a key for the W&B server, be it the cloud or one that the user names.

    Raises:
        ConfigError: the server that is named has no proper address.
    """
    server = _named_server()
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or _setting("api_key"):
        return True
    machines = _CLOUD if server is None or server.netloc in _CLOUD else (server.netloc,)
    try:
        # Named, as W&B names it: without a name, Python refuses a file that others may read.
        known = netrc.netrc(str(_netrc_file()))
    except (OSError, ValueError, netrc.NetrcParseError):
        return False
    return any(entry is not None and bool(entry[2]) for entry in map(known.authenticators, machines))


def _proxy(server: SplitResult) -> SplitResult | None:
    """Return the proxy through which a server is reached, or None."""
    import urllib.request

    host = str(server.hostname)
    if host in ("localhost", "::1") or host.startswith("127.") or urllib.request.proxy_bypass(server.netloc):
        return None
    own = _setting(f"{server.scheme}_proxy")
    proxy = own[0] if own else urllib.request.getproxies().get(server.scheme)
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None


def _unreachable() -> str | None:
    """Return what of the way to the server cannot be reached, or None.

    Behind a proxy nothing but the proxy can be: it finds the server.
    """
    server = _server()
    proxy = _proxy(server)
    target = server if proxy is None else proxy
    shown = str(target.hostname) + (f":{target.port}" if target.port else "")
    try:
        address = (str(target.hostname), target.port or _PORTS.get(target.scheme, 80))
        socket.create_connection(address, timeout=3).close()
    except OSError:
        return shown if proxy is None else f"the proxy {shown}"
    return None


def wandb_mode(mode: str = "auto") -> tuple[str, str]:
    """Return W&B's mode and one line that states it and why.

    What the config says goes before ``WANDB_MODE``, and that before the settings file of ``wandb offline``. Where none
    says anything (``auto``), the network is asked only where a key shows that the user logs there.

    Returns:
        ``online``, ``offline``, ``disabled`` or ``shared``; the line, where ``FOLDER`` stands for that of the runs.

    Raises:
        ConfigError: no such mode, or a server without a proper address.
    """
    check_choice("logger.mode", mode, ("auto", *_MODES))
    if mode != "auto":
        mode = _SAME.get(mode, mode)
        return mode, f"W&B: {mode}"
    asked = _setting("mode")
    if asked is not None:
        word, source = asked
        mode = _SAME.get(word, check_choice(source, word, _MODES))
        return mode, f"W&B: {mode} ({source})"
    later = "`leap-avvp wandb-sync FOLDER` sends the run later"
    if not has_key():
        server = _named_server()
        whose = "" if server is None else f" for {server.netloc}"
        return "offline", f"W&B: offline, no API key found{whose}; {later}"
    missing = _unreachable()
    if missing is not None:
        return "offline", f"W&B: offline, {missing} cannot be reached; {later}"
    return "online", "W&B: online"


def destination(project: str | None = None, entity: str | None = None) -> tuple[str, str | None]:
    """Return the project and entity of a run.

    What the config says goes before ``WANDB_PROJECT`` and ``WANDB_ENTITY``, those before W&B's settings files, and
    these before the project's default, ``leap-avvp``.
    """
    found = [_setting(name) for name in ("project", "entity")]
    ours, theirs = (setting[0] if setting and setting[0] else None for setting in found)
    return project or ours or _PROJECT, entity or theirs


def files_folder(folder: Path) -> Path:
    """Return where W&B keeps its files of a run: ``WANDB_DIR``, or the run's own folder; absolute."""
    return Path(os.environ.get("WANDB_DIR") or folder).expanduser().absolute()


def agent_run() -> str | None:
    """Return the id of the run that an agent of a W&B sweep has started this process for, or None."""
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None


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
