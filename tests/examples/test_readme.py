"""The README's commands are taken as they stand there, and name files that are there."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from leap_avvp.cli import main
from leap_avvp.cli.app import build_parser
from leap_avvp.config.compose import compose_config
from leap_avvp.config.job import training_job

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "examples" / "own_videos" / "README.md").read_text(encoding="utf-8")
BLOCKS = README.replace("\\\n", " ").split("```\n")[1::2]
COMMANDS = [shlex.split(line) for block in BLOCKS for line in block.splitlines() if line]
*FIVE, TABLE = [words[1:] for words in COMMANDS if words[0] == "leap-avvp"]


def test_there_are_five_and_the_table() -> None:
    assert [words[0] for words in FIVE] == ["data", "extract", "label", "train", "parse"]
    assert TABLE[:2] == ["reproduce", "decoders"]
    assert [words for words in COMMANDS if words[0] != "leap-avvp"] == [
        ["python", "examples/own_videos/compose.py", "farm"]
    ]


@pytest.mark.parametrize("words", [words for words in FIVE if words[0] != "train"], ids=lambda words: words[0])
def test_a_command_is_taken(words: list[str]) -> None:
    assert build_parser().parse_args(words).command == words[0]


def test_files_of_the_example_are_there() -> None:
    named = [word for words in COMMANDS for word in words if word.startswith("examples/")]
    assert "examples/own_videos/teacher.yaml" in named
    assert all((ROOT / name).is_file() for name in named)


def test_the_training_composes() -> None:
    (words,) = (words[1:] for words in FIVE if words[0] == "train")
    job = training_job(compose_config([*words, "output_dir=x"]), words)
    assert job.content["encoder"]["dim"] == job.content["decoder"]["dim"] == 128
    assert job.content["trainer"]["max_epochs"] == 60


def test_the_table_is_of_the_same_training(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (training,) = (words[1:] for words in FIVE if words[0] == "train")
    same = {word for word in training if not word.startswith(("hydra.", "data=", "data.root="))}
    assert same <= set(TABLE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farm").mkdir()
    assert main([*TABLE, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "6 cells" in told
    assert all(told.count(f"decoder={name}, seed") == 3 for name in ("leap", "mmil"))
