"""Hints name what the command at hand takes: its flags, and not the keys of a config."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.cli.arguments import in_flags
from leap_avvp.errors import ConfigError, DataError
from leap_avvp.training.module import NonFiniteLossError

KEYS = re.compile(r"data\.\w+")


@pytest.fixture
def root(make_llp_folder: Callable[..., Path]) -> Path:
    return make_llp_folder()


@pytest.fixture
def parted(root: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a data folder and that of its annotations, which lies elsewhere."""
    return root, shutil.move(root / "annotations", tmp_path / "csv")


def hint(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """Return the one line in which a command says what is wrong."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert not KEYS.search(line), line
    return line


@pytest.mark.parametrize("action", ["check", "pack"])
def test_check_and_pack_name_their_flag_for_annotations_that_lie_elsewhere(action, parted, capsys) -> None:
    root, csv = parted
    assert hint(capsys, "data", action, root).endswith("; name their folder with --annotations DIR")
    assert main(["data", action, str(root), "--annotations", str(csv)]) == 0


@pytest.mark.parametrize("action", ["check", "pack"])
def test_check_and_pack_name_their_argument_for_the_folder(action, capsys) -> None:
    assert hint(capsys, "data", action, "/nowhere").endswith("; DIR is the one that holds feats/ and annotations/")


def test_check_names_its_flag_for_a_copy_without_pseudo_labels(root, capsys) -> None:
    shutil.rmtree(root / "CLIP")
    assert "; --pseudo-labels none trains without them" in hint(capsys, "data", "check", root)
    assert main(["data", "check", str(root), "--pseudo-labels", "none"]) == 0


def test_pack_names_its_flag_for_missing_files(root, capsys) -> None:
    next((root / "feats" / "vggish").glob("*train*.npy")).unlink()
    assert hint(capsys, "data", "pack", root).endswith("; --allow-missing packs without those videos")
    assert main(["data", "pack", str(root), "--allow-missing"]) == 0


def test_score_names_its_flag_for_a_folder_without_annotations(root, capsys) -> None:
    line = hint(capsys, "score", "--predictions", "none.npz", "--annotations", root / "feats")
    assert line.endswith("; name their folder with --annotations DIR")


def test_simulate_names_its_flags(root, capsys) -> None:
    line = hint(capsys, "data", "simulate", "--out", root / "new", "--annotations", root / "feats")
    assert line.endswith("; name their folder with --annotations DIR")
    line = hint(capsys, "data", "simulate", "--out", root)
    assert line.endswith("choose another one, or write into it with --overwrite")


def test_train_names_the_keys_of_its_config(parted, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "data=llp", f"data.root={parted[0]}", "label_embedding=learnable", "logger=none"]) == 2
    assert "name their folder with data.annotations=DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a; set data.a=true, or name it with data.b=DIR", "a; set --a, or name it with --b DIR"),
        ("data.a: no such folder; data.a=none is told", "data.a: no such folder; --a none is told"),
        ("data.a: expected true or false, found 'data.b'", "--a: expected true or false, found 'data.b'"),
        ("/x/data.a=true, data.ab=1, data.a.b=1, data.a=/y and my-data.a stay", None),
    ],
)
def test_only_settings_are_reworded(text: str, told: str | None) -> None:
    for kind in (ConfigError, DataError, NonFiniteLossError):
        with pytest.raises(kind) as caught, in_flags({"data.a": "--a", "data.b": "--b"}):
            raise kind(text)
        assert str(caught.value) == (told or text)
