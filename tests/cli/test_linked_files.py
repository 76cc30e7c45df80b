"""The commands on a data folder whose files are links into a store: refused with their own flag, read with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leap_avvp.cli import main
from leap_avvp.data.annotations import read_annotations
from leap_avvp.data.packed import open_folder
from leap_avvp.scoring.predictions import write_predictions


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def plain(make_llp_folder: Callable[..., Path], tmp_path: Path) -> Path:
    return make_llp_folder(tmp_path / "snapshots" / "main", train=2, val=1, test=1)


@pytest.fixture
def predictions(plain: Path, tmp_path: Path) -> Path:
    truth = read_annotations(plain / "annotations")[0]["test"]
    assert truth.audio is not None
    assert truth.visual is not None
    path = tmp_path / "said.npz"
    write_predictions(path, video_ids=truth.filenames, audio=truth.audio, visual=truth.visual)
    return path


@pytest.fixture
def root(plain: Path, predictions: Path, store: Path) -> Path:
    """Return the folder as the hub's cache keeps it: each file a relative link to a blob."""
    store.mkdir()
    for number, path in enumerate(sorted(file for file in plain.rglob("*") if file.is_file())):
        path.rename(store / f"{number:040x}")
        path.symlink_to(os.path.relpath(store / f"{number:040x}", path.parent))
    return plain


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return ``run(*words)``: exit code and all that was said, in one line."""

    def call(*words: object) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, " ".join((said.out + said.err).split())

    return call


def test_check_names_its_flag_for_links_out_of_the_folder(root: Path, store: Path, run: Callable[..., Any]) -> None:
    code, said = run("data", "check", root)
    assert code == 2
    assert said.endswith(f"; --link-store DIR trusts a folder, such as {store}")
    assert run("data", "check", root, "--link-store", store)[0] == 0
    for path in (root / "annotations").iterdir():  # the annotations copied, the features still links
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    code, said = run("data", "check", root)
    assert code == 1
    assert "--link-store DIR trusts" in said
    assert "data.link_store" not in said


def test_pack_packs_links_into_the_store_that_its_flag_names(root: Path, store: Path, run: Callable[..., Any]) -> None:
    code, said = run("data", "pack", root)
    assert code == 2
    assert "--link-store DIR trusts" in said
    assert run("data", "pack", root, "--link-store", store)[0] == 0
    assert np.isfinite(open_folder(root).load("train").audio).all()
    code, said = run("data", "pack", root, "--link-store", store)
    assert code == 0
    assert "already packed, fresh and sound" in said


def test_score_reads_linked_annotations_of_the_store_that_its_flag_names(
    root: Path, store: Path, predictions: Path, run: Callable[..., Any]
) -> None:
    words = ["score", "--predictions", predictions, "--annotations", root / "annotations"]
    code, said = run(*words)
    assert code == 2
    assert "--link-store DIR trusts" in said
    assert run(*words, "--link-store", store)[0] == 0


def test_simulate_reads_linked_annotations_of_the_store_that_its_flag_names(
    root: Path, store: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    words = ["data", "simulate", "--out", tmp_path / "out", "--annotations", root / "annotations"]
    code, said = run(*words)
    assert code == 2
    assert "--link-store DIR trusts" in said
    assert run(*words, "--link-store", store)[0] == 0
    assert not (tmp_path / "out" / "annotations" / "AVVP_train.csv").is_symlink()


@pytest.mark.parametrize("action", ["check", "pack"])
def test_a_store_that_is_not_there_is_named_by_its_flag(action: str, plain: Path, run: Callable[..., Any]) -> None:
    assert run("data", action, plain, "--link-store", "/nowhere") == (
        2,
        "error: --link-store: expected the folder that links lead into, found no folder /nowhere",
    )


def test_train_reads_links_into_the_store_that_is_trusted(
    root: Path, store: Path, tmp_path: Path, run: Callable[..., Any]
) -> None:
    words = ["train", "data=llp", f"data.root={root}", "encoder=han", "decoder=mmil", "trainer=cpu", "logger=none"]
    words += ["trainer.max_epochs=1", "data.batch_size=2", f"hydra.run.dir={tmp_path / 'run'}"]
    words += ["encoder.dim=16", "encoder.feed_forward_dim=16", "decoder.dim=16"]
    code, said = run(*words)
    assert code == 2
    assert "data.link_store=DIR trusts" in said
    assert run(*words, f"data.link_store={store}")[0] == 0
