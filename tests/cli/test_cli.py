"""The command line: help that explains itself, data and score sub-commands, exit codes."""

from __future__ import annotations

import importlib
import json
import pkgutil
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leap_avvp import cli
from leap_avvp.cli import app, build_parser, data, main

HYDRA = (["train"], ["evaluate"])
SUBCOMMANDS = (
    *HYDRA,
    ["reproduce"],
    ["data"],
    ["data", "simulate"],
    ["data", "card"],
    ["data", "check"],
    ["data", "pack"],
    ["score"],
    ["predict"],
    ["export"],
    ["extract"],
    ["label"],
    ["refine"],
    ["weights"],
    ["published"],
    ["convert"],
    ["visualize"],
    ["wandb-sync"],
)


@pytest.mark.parametrize("words", SUBCOMMANDS, ids=" ".join)
def test_every_sub_command_explains_itself_with_an_example(words, capsys):
    try:
        code = main([*words, "--help"])
    except SystemExit as done:
        code = int(done.code or 0)
    assert code == 0
    text = capsys.readouterr().out
    assert "example" in text
    assert f"leap-avvp {' '.join(words)}" in text


def test_help_of_train_lists_groups_and_options(capsys):
    main(["train", "--help"])
    text = capsys.readouterr().out
    assert "encoder=han|han_sequential|mm_pyramid" in text
    assert "decoder=leap|mm_cse|mmil" in text
    assert "--cfg job" in text


@pytest.mark.parametrize("words", [[], *(words for words in SUBCOMMANDS if words not in HYDRA)], ids=" ".join)
def test_help_waits_for_nothing_heavy(words):
    code = (
        "import contextlib, sys\n"
        "from leap_avvp.cli import main\n"
        f"with contextlib.suppress(SystemExit): main({[*words, '--help']})\n"
        "print({'torch', 'numpy', 'matplotlib', 'hydra', 'omegaconf', 'rich', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: leap-avvp")
    assert done.stdout.splitlines()[-1] == "set()"


def test_every_file_of_a_sub_command_is_in_a_table():
    modules = (importlib.import_module(name) for _, name, _ in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."))
    files = {module.NAME for module in modules if hasattr(module, "NAME")}
    assert files == {command.NAME for command in (*app.HYDRA_COMMANDS, *app.COMMANDS, *data.ACTIONS)}


def test_examples_are_calls_that_the_parser_takes():
    for command in (*app.COMMANDS, *data.ACTIONS):
        for line in command.EXAMPLE.splitlines():
            program, *words = shlex.split(line)
            assert program == "leap-avvp"
            assert command.NAME in words[:2]
            build_parser().parse_args(words)


def test_module_and_version():
    done = subprocess.run([sys.executable, "-m", "leap_avvp", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("leap-avvp ")


def test_cfg_job_passes_through(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "encoder=han", "--cfg", "job"]) == 0
    assert "leap_avvp.models.HAN" in capfd.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["trian"], ["score"], ["data"], ["reproduce", "table6", "--seeds", "1,1"]])
def test_a_wrong_command_line_is_a_usage_error(words, capsys):
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_overrides_may_stand_anywhere_behind_reproduce(monkeypatch):
    import leap_avvp.studies

    seen = {}
    monkeypatch.setattr(leap_avvp.studies, "reproduce", lambda study, **options: seen.update(options) or 0)
    assert main(["reproduce", "table6", "--dry-run", "trainer.max_epochs=1", "--seeds", "0,2", "encoder.dim=8"]) == 0
    assert seen["overrides"] == ["trainer.max_epochs=1", "encoder.dim=8"]
    assert seen["seeds"] == [0, 2]
    assert seen["dry_run"]
    with pytest.raises(SystemExit):
        main(["reproduce", "table6", "--dryrun-typo"])


def test_a_misspelt_study_names_the_nearest(capsys):
    assert main(["reproduce", "tabel6"]) == 2
    assert "table6" in capsys.readouterr().err


@pytest.fixture
def simulated(tmp_path: Path) -> Path:
    out = tmp_path / "sim"
    assert main(["data", "simulate", "--out", str(out), "--train", "4", "--val", "2", "--test", "3"]) == 0
    return out


def test_a_simulated_folder_is_checked_trained_on_and_scored(simulated, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", str(simulated)]) == 0
    assert "sound" in capsys.readouterr().out
    words = ["data=llp", f"data.root={simulated}", "trainer=debug", "logger=none", "encoder=han", "hydra.run.dir=run"]
    assert main(["train", *words]) == 0
    result = json.loads(Path("run/metrics.json").read_text())
    assert result["data_source"] == "simulated", "a simulated folder must not pass as LLP"
    words = [
        "--predictions",
        "run/predictions_test.npz",
        "--annotations",
        str(simulated / "annotations"),
        "--json",
        "score.json",
    ]
    assert main(["score", *words]) == 0
    scores = json.loads(Path("score.json").read_text())["scores"]
    assert scores == pytest.approx(result["test"], abs=1e-9)


def test_the_same_batches_from_files_and_from_the_simulator(simulated):
    from leap_avvp.data.datamodule import folder_data, simulated_data

    files = folder_data(simulated)
    made = simulated_data(num_train=4, num_val=2, num_test=3)
    for split in ("train", "val", "test"):
        one, other = (data.dataset(split)[[1, 0]] for data in (files, made))
        assert one.keys() == other.keys()
        assert one["video_id"] == other["video_id"]
        for name in set(one) - {"video_id"}:
            assert one[name].dtype == other[name].dtype
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=1e-5, err_msg=name)


def test_missing_files_stop_a_training_until_they_are_allowed(simulated, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    next((simulated / "feats" / "vggish").glob("*tr*.npy")).unlink()
    assert main(["data", "check", str(simulated)]) == 1
    words = ["data=llp", f"data.root={simulated}", "trainer=debug", "logger=none", "encoder=han"]
    capsys.readouterr()
    assert main(["train", *words, "hydra.run.dir=a"]) == 2
    assert "allow_missing=true" in capsys.readouterr().err
    assert not Path("a/metrics.json").exists()
    assert main(["train", *words, "data.allow_missing=true", "hydra.run.dir=b"]) == 0
    assert "3 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["data", "check", "/nowhere"],
        ["data", "simulate", "--out", "x", "--annotations", "/nowhere"],
        ["data", "simulate", "--out", "x", "--limit", "0"],
        ["data", "simulate", "--out", "x", "--annotations", ".", "--train", "3"],
        ["score", "--predictions", "none.npz", "--annotations", "/nowhere"],
        ["convert", "none.pt", "out.ckpt"],
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ")
    assert len(errors.strip().splitlines()) == 1
    assert list(tmp_path.rglob("*.npy")) == []


def test_interruption_has_its_own_exit_code(monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("leap_avvp.cli.data_check.run", interrupt)
    assert main(["data", "check", "x"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_the_parser_knows_all_sub_commands():
    text = build_parser().format_help()
    assert all(words[0] in text for words in SUBCOMMANDS)
