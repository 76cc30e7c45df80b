"""Where a run goes on W&B and whether it gets there: what people set, own servers and proxies. Nothing is connected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from leap_avvp.cli import main
from leap_avvp.errors import ConfigError
from leap_avvp.tracking.loggers import wandb_logger
from leap_avvp.tracking.wandb_mode import destination, files_folder, has_key, wandb_mode

WORDS = (
    *("encoder=han", "encoder.dim=32", "encoder.feed_forward_dim=32", "decoder=mmil", "decoder.dim=32"),
    *("data.num_train=16", "data.num_val=4", "data.num_test=4", "data.batch_size=8", "data.schedule.max_epochs=1"),
    *("trainer=cpu", "trainer.log_every_n_steps=1", "logger=wandb", "hydra.run.dir=run"),
)
Asked = list[tuple[str, int]]


@pytest.fixture(autouse=True)
def home(no_wandb_key: Path) -> Path:
    """Return the folder that is home and working directory at once, and has neither settings nor a key."""
    return no_wandb_key


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return the addresses to which connections were tried; all succeed."""
    seen: Asked = []

    def connect(address: tuple[str, int], timeout: float) -> SimpleNamespace:
        assert 0 < timeout < 10
        seen.append(address)
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr("socket.create_connection", connect)
    return seen


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the user a key."""
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)


@pytest.fixture
def settings() -> Callable[..., None]:
    """Return ``write(folder, **content)``, which writes a settings file as ``wandb offline`` does."""

    def write(folder: str, **content: str) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        lines = [f"{name} = {value}\n" for name, value in content.items()]
        (Path(folder) / "settings").write_text("".join(["[default]\n", *lines, "\n"]))

    return write


@pytest.mark.parametrize(
    ("word", "mode"),
    [
        *(("dryrun", "offline"), ("run", "online"), ("offline", "offline"), ("online", "online")),
        *(("disabled", "disabled"), ("shared", "shared")),
    ],
)
def test_every_mode_that_wandb_knows_is_obeyed_without_asking_the_network(word, mode, key, asked, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", word)
    assert wandb_mode("auto") == (mode, f"W&B: {mode} (WANDB_MODE)")
    monkeypatch.delenv("WANDB_MODE")
    assert wandb_mode(word)[0] == mode
    assert asked == []


@pytest.mark.parametrize("word", ["of", "auto", ""])
def test_a_wrong_wandb_mode_is_named(word, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", word)
    with pytest.raises(ConfigError, match=r"^WANDB_MODE: expected one of online, offline, .* found '" + word):
        wandb_mode("auto")


def test_the_command_line_goes_before_wandb_mode_and_that_before_the_settings_file(settings, monkeypatch):
    settings("wandb", mode="disabled")
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert wandb_mode("auto")[0] == "offline"
    assert wandb_mode("online")[0] == "online"


@pytest.mark.parametrize("folder", ["wandb", ".wandb", "~/.config/wandb", "config", "elsewhere/wandb"])
@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_after_wandb_offline_the_run_stays_here(folder, mode, settings, key, asked, monkeypatch, home):
    if folder == "config":
        monkeypatch.setenv("WANDB_CONFIG_DIR", "config")
    if folder.startswith("elsewhere"):
        monkeypatch.setenv("WANDB_DIR", "elsewhere")
    path = folder.replace("~", str(home))
    settings(path, mode=mode)
    found, line = wandb_mode("auto")
    assert found == mode
    assert f"{path}/settings: mode" in line
    assert asked == []


def test_after_wandb_online_here_the_users_own_settings_file_no_longer_counts(settings, home):
    settings(f"{home}/.config/wandb", mode="offline")
    settings("wandb", mode="online")
    assert wandb_mode("auto")[0] == "online"


def test_a_settings_file_that_is_none_counts_as_none(key, asked):
    Path("wandb").mkdir()
    Path("wandb/settings").write_bytes(b"mode = offline\n\xff")
    assert wandb_mode("auto")[0] == "online"
    Path("wandb/settings").write_text("[default]\nmode = sometimes\n")
    with pytest.raises(ConfigError, match=r"wandb/settings: mode: expected one of .*, found 'sometimes'"):
        wandb_mode("auto")


def test_a_key_and_a_network_mean_online(key, asked):
    assert wandb_mode("auto") == ("online", "W&B: online")
    ((host, port),) = asked
    assert host.startswith("api.")
    assert port == 443


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://wandb.lab.example:8080", ("wandb.lab.example", 8080)),
        ("http://wandb.lab.example", ("wandb.lab.example", 80)),
        ("https://wandb.lab.example/", ("wandb.lab.example", 443)),
        ("https://10.1.2.3:8443", ("10.1.2.3", 8443)),
    ],
)
def test_an_own_server_is_asked_at_its_own_host_and_port(url, address, key, asked, monkeypatch, settings):
    monkeypatch.setenv("WANDB_BASE_URL", url)
    assert wandb_mode("auto")[0] == "online"
    monkeypatch.delenv("WANDB_BASE_URL")
    settings("wandb", base_url=url)
    assert wandb_mode("auto")[0] == "online"
    assert asked == [address, address]


@pytest.mark.parametrize("url", ["wandb.lab.example:8080", "ftp://wandb.lab.example", "http://", "http://h:port"])
def test_a_server_without_a_proper_address_is_named(url, key, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", url)
    with pytest.raises(ConfigError, match=r"^WANDB_BASE_URL: expected http://HOST:PORT or https://HOST, found"):
        wandb_mode("auto")


def test_an_own_server_that_cannot_be_reached_is_named_with_its_port(key, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("refused")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.lab.example:8080")
    assert "offline, wandb.lab.example:8080 cannot be reached" in wandb_mode("auto")[1]
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.lab.example:3128")
    assert "offline, the proxy proxy.lab.example:3128 cannot be reached" in wandb_mode("auto")[1]


@pytest.mark.parametrize(
    ("variable", "proxy", "address"),
    [
        ("HTTPS_PROXY", "http://proxy.example:3128", ("proxy.example", 3128)),
        ("https_proxy", "proxy.example:3128", ("proxy.example", 3128)),
        ("HTTPS_PROXY", "http://me:secret@proxy.example", ("proxy.example", 80)),
        ("HTTPS_PROXY", "socks5://proxy.example", ("proxy.example", 1080)),
        ("WANDB_HTTPS_PROXY", "http://proxy.example:3128", ("proxy.example", 3128)),
        ("HTTP_PROXY", "http://proxy.example:3128", ("wandb.example", 443)),  # not for https
    ],
)
def test_behind_a_proxy_the_proxy_is_asked(variable, proxy, address, key, asked, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example")
    monkeypatch.setenv(variable, proxy)
    assert wandb_mode("auto")[0] == "online"
    assert asked == [address]


@pytest.mark.parametrize(
    ("url", "past"),
    [("http://wandb.lab.example:8080", "lab.example"), ("http://127.0.0.1:8080", ""), ("http://localhost:8080", "")],
)
def test_what_no_proxy_names_and_this_machine_are_asked_directly(url, past, key, asked, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("NO_PROXY", past)
    assert wandb_mode("auto")[0] == "online"
    assert [port for _, port in asked] == [8080]


@pytest.mark.parametrize(
    ("url", "machine", "found"),
    [
        (None, "api.wandb.ai", True),
        (None, "api.forge.coreweave.com", True),  # how later versions of W&B call the same cloud
        ("https://api.wandb.ai", "api.wandb.ai", True),
        (None, "wandb.lab.example", False),
        ("https://wandb.lab.example", "wandb.lab.example", True),
        ("https://wandb.lab.example", "api.wandb.ai", False),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://localhost:8080", "localhost:9090", False),
    ],
)
def test_a_key_counts_for_its_own_server_alone(url, machine, found, home, monkeypatch, asked):
    monkeypatch.delenv("NETRC")
    (home / ".netrc").write_text(f"machine {machine}\n  login user\n  password {'x' * 40}\n")
    (home / ".netrc").chmod(0o644)  # W&B takes it all the same
    if url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
    assert has_key() is found
    mode, line = wandb_mode("auto")
    assert mode == ("online" if found else "offline")
    if url and not found:
        assert f"no API key found for {url.partition('://')[2]};" in line


def test_a_key_in_another_file_or_of_a_service_counts(home, monkeypatch, settings):
    assert not has_key()
    monkeypatch.setenv("NETRC", "~/keys")
    (home / "keys").write_text("machine api.wandb.ai login user password secret\n")
    assert has_key()
    (home / "keys").write_text("machine api.wandb.ai login user\n")
    assert not has_key()
    settings("wandb", api_key="x" * 40)
    assert has_key()
    Path("wandb/settings").unlink()
    monkeypatch.setenv("WANDB_IDENTITY_TOKEN_FILE", "token.jwt")
    assert has_key()


def test_project_and_entity_command_line_before_variables_before_settings_before_the_default(settings, monkeypatch):
    assert destination() == ("leap-avvp", None)
    settings("wandb", project="filed", entity="our-team")
    assert destination() == ("filed", "our-team")
    monkeypatch.setenv("WANDB_PROJECT", "exported")
    monkeypatch.setenv("WANDB_ENTITY", "me")
    assert destination() == ("exported", "me")
    assert destination("mine", "them") == ("mine", "them")


def test_wandb_dir_is_where_the_files_go(home, monkeypatch):
    assert files_folder(Path("run")) == home / "run"
    monkeypatch.setenv("WANDB_DIR", "~/logs")
    assert files_folder(Path("run")) == home / "logs"


@pytest.mark.slow
def test_an_exported_project_and_folder_are_those_of_the_run(home, offline_runs, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_PROJECT", "exported")
    monkeypatch.setenv("WANDB_DIR", "logs")
    assert main(["train", *WORDS]) == 0
    (run,) = offline_runs(Path("logs"))
    assert run.project == "exported"
    assert run.exit_code == 0
    assert not Path("run/wandb").exists()
    assert f"`leap-avvp wandb-sync {home}/logs` sends" in capsys.readouterr().out
    assert main(["train", *WORDS, "logger.project=mine", "resume=false"]) == 0
    assert {run.project for run in offline_runs(Path("logs"))} == {"exported", "mine"}


def test_what_wandb_finds_wrong_in_a_variable_is_one_line(monkeypatch):
    import wandb

    def refuse(**_: object) -> None:
        wandb.Settings(mode="sometimes")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(ConfigError, match=r"^W&B cannot start \(.*mode.*\); logger.mode=offline") as caught:
        wandb_logger(save_dir=".")
    assert "\n" not in str(caught.value)
