"""Files meant to do harm: payloads that would run, calls in a config, bombs, links and ids that lead out."""

from __future__ import annotations

import bz2
import contextlib
import copy
import io
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leap_avvp.cli import main
from leap_avvp.config.trust import check_config_folder, check_targets
from leap_avvp.data.annotations import read_annotations
from leap_avvp.errors import ConfigError
from leap_avvp.llp import CLASSES, FEATURE_FOLDERS
from leap_avvp.models.label_files import read_label_embedding
from leap_avvp.training.checkpoint import read_checkpoint

GENERATED = 100  # cases of each test that draws them
DRAWN = settings(
    deadline=None, max_examples=GENERATED, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
Refused = Callable[..., str]

SMALL = (
    *("encoder=han", "encoder.dim=16", "encoder.feed_forward_dim=16", "decoder.dim=16", "decoder.num_heads=2"),
    *("decoder.feed_forward_dim=16", "data.num_train=8", "data.num_val=4", "data.num_test=4"),
    *("data.schedule.max_epochs=1", "trainer=cpu", "logger=none"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that LEAP wrote."""
    folder = tmp_path_factory.mktemp("trained")
    assert main(["train", *SMALL, f"hydra.run.dir={folder}"]) == 0
    return folder / "checkpoints" / "best.ckpt"


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return tmp_path / "bad.ckpt"


def evaluate(path: Path) -> list[str]:
    return ["evaluate", f"checkpoint={path}", "trainer=cpu", f"hydra.run.dir={path.parent / 'evaluation'}"]


@contextlib.contextmanager
def at_most(megabytes: int) -> Iterator[None]:
    """Hold what runs inside to so much memory, as Python and numpy count it."""
    tracemalloc.start()
    try:
        yield
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < megabytes * 2**20


# Payloads


def test_the_payload_runs_where_it_is_let(payload: object, proof: Path) -> None:
    pickle.loads(pickle.dumps(payload))
    assert proof.exists()


@pytest.mark.parametrize("place", ["everything", "a weight", "the config", "an optimizer's state", "a bare pickle"])
def test_a_payload_in_a_checkpoint_does_not_run(
    place: str, checkpoint: Path, bad: Path, payload: object, proof: Path, refused: Refused
) -> None:
    content = read_checkpoint(checkpoint)
    if place == "a weight":
        content["state_dict"][next(iter(content["state_dict"]))] = payload
    elif place == "the config":
        content["leap_avvp"]["config"]["seed"] = payload
    elif place == "an optimizer's state":
        content["optimizer_states"] = [payload]
    if place == "a bare pickle":
        bad.write_bytes(pickle.dumps({"state_dict": payload}))
    else:
        torch.save(payload if place == "everything" else content, bad)
    for words in (evaluate(bad), ["convert", str(bad), str(bad.with_suffix(".pt"))]):
        line = refused(*words)
        assert "bad.ckpt: " in line
        assert "objects, which are not loaded" in line
    assert not proof.exists()


@pytest.mark.parametrize("name", ["labels.pt", "labels.npz"])
def test_a_payload_in_a_label_embedding_does_not_run(
    name: str, tmp_path: Path, payload: object, proof: Path, refused: Refused
) -> None:
    path = tmp_path / name
    if name.endswith("pt"):
        torch.save({label: payload for label in CLASSES}, path)
    else:
        np.savez(path, embedding=np.array([payload] * 25, dtype=object), classes=np.array(CLASSES))
    words = ["label_embedding=glove", f"label_embedding.path={path}", f"hydra.run.dir={tmp_path / 'run'}"]
    assert "objects, which are not loaded" in refused("train", *SMALL, *words)
    assert not proof.exists()


def test_a_payload_in_features_does_not_run(
    make_llp_folder: Callable[..., Path], tmp_path: Path, payload: object, proof: Path, refused: Refused
) -> None:
    root = make_llp_folder(train=2, val=1, test=1)
    path = next((root / FEATURE_FOLDERS["audio"]).glob("*train*.npy"))
    array = np.empty((10, 128), dtype=object)
    array[:] = payload
    np.save(path, array, allow_pickle=True)
    words = ["data=llp", f"data.root={root}", "encoder=han", "trainer=cpu", "logger=none"]
    words += ["label_embedding=learnable", f"hydra.run.dir={tmp_path / 'run'}"]
    assert "objects, which are not loaded" in refused("train", *words)
    assert not proof.exists()


def test_a_pickled_job_is_not_loaded(tmp_path: Path, payload: object, proof: Path, refused: Refused) -> None:
    (tmp_path / "config.pickle").write_bytes(pickle.dumps(payload))
    assert "a pickle, which is not loaded" in refused("train", "--experimental-rerun", tmp_path / "config.pickle")
    assert not proof.exists()


# Names in a config

TARGETS = {
    "another package": "os.mkdir",
    "a builtin": "builtins.exec",
    "a module that ours imports": "leap_avvp.files.os.mkdir",
    "deeper": "leap_avvp.data.folder.np.os.mkdir",
    "a process": "leap_avvp.studies.sweep.subprocess.Popen",
    "our own command": "leap_avvp.cli.main",
    "a writer of files": "leap_avvp.files.write_whole",
    "a method that unpickles": "lightning.pytorch.LightningModule.load_from_checkpoint",
    "a function that unpickles": "torch.nn.modules.module.torch.load",
    "a loader of torch.hub": "torch.hub.load",
    "a command line": "lightning.pytorch.cli.LightningCLI",
    "a package that begins like ours": "leap_avvp_evil.Encoder",
    "a name that is not there": "leap_avvp.models.Nothing",
    "a module": "leap_avvp.models",
    "a constant": "leap_avvp.llp.CLASSES",
    "no text": "3",
    "spaces": "' leap_avvp.models.HAN'",
}


@pytest.mark.parametrize(
    ("key", "target"),
    [
        *(("encoder", target) for target in TARGETS.values()),
        *((key, "leap_avvp.files.os.mkdir") for key in ("decoder", "label_embedding", "data", "logger", "optimizer")),
        *((key, "os.mkdir") for key in ("scheduler", "loss", "trainer", "protocol", "callbacks.mine", "data.deep.er")),
    ],
)
def test_a_config_calls_nothing_but_parts(
    key: str, target: str, tmp_path: Path, proof: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"++{key}._target_={target}", f"++{key}.path={proof}", f"hydra.run.dir={tmp_path / 'run'}"]
    line = refused("train", *SMALL, *words)
    assert f"{key}._target_" in line
    assert not proof.exists()


def test_a_reference_that_turns_into_a_target_is_refused(tmp_path: Path, proof: Path, refused: Refused) -> None:
    hidden = f"\\${{oc.decode:\"{{_target_: os.mkdir, path: '{proof}'}}\"}}"
    with pytest.raises(ConfigError, match="expected plain text"):
        check_targets({"_target_": "leap_avvp.losses.ParsingLoss", "segment_weight": hidden.replace("\\", "")})
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "mine.yaml").write_text(
        f"_target_: leap_avvp.losses.ParsingLoss\nsegment_weight: '{hidden.replace(chr(39), chr(39) * 2)}'\n"
    )
    words = ["--config-dir", str(tmp_path), "loss=mine", f"hydra.run.dir={tmp_path / 'run'}"]
    assert "expected plain values" in refused("train", *words, *SMALL)
    assert not proof.exists()


YAML = {
    "a callback of Hydra": "hydra:\n  callbacks:\n    mine: {{_target_: os.mkdir, path: {proof}}}\n",
    "a launcher": "hydra:\n  launcher: {{_target_: os.mkdir, path: {proof}}}\n",
    "a part": "logger: {{_target_: os.mkdir, path: {proof}}}\n",
    "in a list": "extra:\n  - 1\n  - [{{_target_: os.mkdir, path: {proof}}}]\n",
    "a reference": "name: os.mkdir\nlogger: {{_target_: '${{name}}', path: {proof}}}\n",
    "a dict of text": "hydra:\n  callbacks:\n    mine: '${{oc.create:\"{{_target_: os.mkdir, path: {proof}}}\"}}'\n",
    "another folder": "hydra:\n  searchpath: [file://{proof}]\n",
}


@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
@pytest.mark.parametrize("flag", ["--config-dir", "-cd", "searchpath"])
def test_an_added_yaml_calls_nothing(flag: str, text: str, tmp_path: Path, proof: Path, refused: Refused) -> None:
    file = tmp_path / "added" / "experiment" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# @package _global_\n" + text.format(proof=proof))
    folder = str(tmp_path / "added")
    added = [f"hydra.searchpath=[file://{folder}]"] if flag == "searchpath" else [flag, folder]
    assert str(file) in refused("train", *added, *SMALL, "experiment=mine", f"hydra.run.dir={tmp_path / 'run'}")
    assert not proof.exists()


def test_yaml_makes_no_objects(tmp_path: Path, proof: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"a: !!python/object/apply:os.mkdir ['{proof}']\n")
    (tmp_path / "laughs.yaml").write_text("a: &a [*a, *a]\n")
    with pytest.raises(ConfigError, match="more than 50 deep"):
        check_config_folder(tmp_path)
    assert not proof.exists()


def test_an_added_yaml_that_is_sound_is_taken(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nloss: {avss_weight: 3}\n")
    words = ["--config-dir", str(tmp_path), "--cfg", "job", "experiment=mine"]
    assert main(["train", *words]) == 0


# Checkpoints that are not what they say

EDITS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no weights": (lambda c: c.update(state_dict={}), "tensors differ: missing"),
    "a list of weights": (lambda c: c.update(state_dict=[1]), "expected tensors by name, found 'list'"),
    "numbers as names": (lambda c: c["state_dict"].update({3: torch.zeros(1)}), "expected tensors by name, found '3'"),
    "a number as weight": (lambda c: c["state_dict"].update({WEIGHT: 3}), "expected tensors by name"),
    "text as weight": (lambda c: c["state_dict"].update({WEIGHT: "x"}), "expected tensors by name"),
    "a complex weight": (lambda c: c["state_dict"].update({WEIGHT: torch.zeros(16, 128) + 0j}), "by name"),
    "a sparse weight": (
        lambda c: c["state_dict"].update({WEIGHT: torch.eye(16, 128).to_sparse(1)}),
        "expected dense tensors",
    ),
    "a weight without numbers": (
        lambda c: c["state_dict"].update({WEIGHT: torch.zeros(16, 128, device="meta")}),
        "expected dense tensors",
    ),
    "a weight of one number": (
        lambda c: c["state_dict"].update({WEIGHT: torch.zeros(1).expand(10**12)}),
        "expected tensors that hold all their numbers",
    ),
    "NaN": (
        lambda c: c["state_dict"].update({WEIGHT: torch.full((16, 128), torch.nan)}),
        "expected finite probabilities, found NaN or Inf for 4 of 4 videos of a batch: sim",
    ),
    "one more weight": (lambda c: c["state_dict"].update({"parser.more": torch.zeros(1)}), "unknown more"),
    "weights of another shape": (lambda c: c["state_dict"].update({WEIGHT: torch.zeros(1)}), "has shape (1,)"),
    "labels of no shape": (lambda c: c["state_dict"].update({LABELS: torch.tensor(1.0)}), "label embedding: expected"),
    "labels with NaN": (lambda c: c["state_dict"][LABELS].fill_(torch.nan), "label embedding: expected finite"),
    "no stamp": (lambda c: c.pop("leap_avvp"), "not a checkpoint of leap-avvp"),
    "a stamp of text": (lambda c: c.update(leap_avvp="x"), "not a checkpoint of leap-avvp"),
    "a config of text": (lambda c: c["leap_avvp"].update(config="x"), "not a checkpoint of leap-avvp"),
    "no encoder": (lambda c: config(c).pop("encoder"), "expected the group encoder"),
    "an encoder of text": (lambda c: config(c).update(encoder="han"), "expected the group encoder"),
    "no decoder": (lambda c: config(c).update(decoder=None), "expected the group decoder"),
    "no labels": (lambda c: config(c).pop("label_embedding"), "expected the group label_embedding"),
    "data of text": (lambda c: config(c).update(data="x"), "data: expected a group"),
    "data without a name": (lambda c: config(c).update(data={}), "data._target_: expected the name of a class"),
    "a tensor in the config": (lambda c: config(c).update(seed=torch.zeros(3)), "not a supported primitive type"),
    "a reference to nothing": (lambda c: config(c)["encoder"].update(dim="${nothing}"), "'nothing' not found"),
    "a width of text": (lambda c: config(c)["encoder"].update(dim="wide"), "encoder.dim: "),
    "a negative width": (lambda c: config(c)["encoder"].update(dim=-1), "encoder.dim: "),
    "a width of terabytes": (
        lambda c: [config(c)[part].update(dim=2**16) for part in ("encoder", "decoder")],
        "weights of another configuration",
    ),
    "a billion blocks": (lambda c: config(c)["decoder"].update(num_blocks=10**9), "from 1 to 64"),
    "another class": (
        lambda c: config(c).update(encoder={"_target_": "leap_avvp.losses.ParsingLoss"}),
        "encoder: expected a module with its width as `dim`, found ParsingLoss",
    ),
    "a class without a width": (
        lambda c: config(c).update(decoder={"_target_": "torch.nn.Identity"}),
        "decoder: expected a module with its width as `dim`, found Identity",
    ),
    "a call": (lambda c: config(c).update(data={"_target_": "os.mkdir", "path": "ran"}), "data._target_"),
    "a loop": (lambda c: config(c).update(loop=config(c)), "items that hold one another"),
    "laughs": (lambda c: config(c).update(laughs=laughs()), "items that hold one another"),
}
WEIGHT, LABELS = "parser.frontend.audio.weight", "parser.decoder.label_queries.embedding"


def config(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["leap_avvp"]["config"]
    return found


def laughs() -> list[Any]:
    """Return a small object that is a billion items when it is written out."""
    node: list[Any] = ["ha"]
    for _ in range(9):
        node = [node] * 10
    return node


@pytest.mark.parametrize("case", EDITS)
def test_a_checkpoint_that_is_not_what_it_says(
    case: str, checkpoint: Path, bad: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bad.parent)
    edit, message = EDITS[case]
    content = copy.deepcopy(read_checkpoint(checkpoint))
    edit(content)
    torch.save(content, bad)
    assert message in refused(*evaluate(bad))
    assert not list(bad.parent.glob("evaluation/evaluation_*.json"))
    assert not Path("ran").exists()
    refused("convert", bad, bad.with_suffix(".pt"))  # no released program is of this width, at the latest
    assert not bad.with_suffix(".pt").exists()


@given(data=st.data())
@DRAWN
def test_flipped_bytes_and_cuts_of_a_checkpoint_are_read_or_named(
    data: st.DataObject, checkpoint: Path, bad: Path, taken: Callable[..., Any]
) -> None:
    content = read_checkpoint(checkpoint)
    small = io.BytesIO()
    torch.save({"state_dict": {"parser.a": torch.ones(3)}, "leap_avvp": content["leap_avvp"]}, small)
    whole = bytearray(small.getvalue())
    flips = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=6)
    for place, value in data.draw(flips, label="flips"):
        whole[place] = value
    del whole[data.draw(st.sampled_from([len(whole)] * 4 + [len(whole) - 1, 1000, 10, 0]), label="cut") :]
    bad.write_bytes(whole)
    found = taken(bad, read_checkpoint, bad)
    assert found is None or isinstance(found, dict)


@given(body=st.binary(max_size=60), start=st.sampled_from([b"", b"\x80\x02", b"\x80\x04}", b"PK\x03\x04", b"]q\x00("]))
@DRAWN
def test_any_bytes_as_a_label_embedding_are_named(
    body: bytes, start: bytes, tmp_path: Path, taken: Callable[..., Any]
) -> None:
    for suffix in (".pt", ".npz", ".txt"):
        path = tmp_path / f"labels{suffix}"
        path.write_bytes(start + body)
        assert taken(path, read_label_embedding, path) is None


# Bombs


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


BOMBS: dict[str, dict[str, Any]] = {
    "claims gigabytes": {"embedding.npy": header((10**10,))},
    "holds megabytes": {"embedding.npy": (header((2**26,)), 2**28)},
    "holds megabytes behind its numbers": {"embedding.npy": (header((25, 300), "<U1"), 2**28)},
    "long strings": {"embedding.npy": header((25, 300), "<U100000000")},
    "long names": {"embedding.npy": header((25, 300)) + bytes(30_000), "classes.npy": header((25,), "<U400000000")},
    "a header of gigabytes": {"embedding.npy": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", 2**28)},
}


def bomb(path: Path, members: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            head, zeros = content if isinstance(content, tuple) else (content, 0)
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(head)
                for _ in range(zeros // 2**24):
                    file.write(bytes(2**24))
    assert path.stat().st_size < 2**21
    return path


@pytest.mark.parametrize("case", BOMBS)
def test_a_label_embedding_that_is_a_bomb(case: str, tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = bomb(tmp_path / "labels.npz", BOMBS[case])
    with at_most(20):
        assert taken(path, read_label_embedding, path) is None


def test_predictions_that_are_bombs(make_llp_folder: Callable[..., Path], tmp_path: Path, refused: Refused) -> None:
    folder = make_llp_folder(train=1, val=1, test=2) / "annotations"
    ids = io.BytesIO()
    np.save(ids, np.array(read_annotations(folder)[0]["test"].video_ids))
    words = ["--predictions", tmp_path / "said.npz", "--annotations", folder]
    for audio, message in (
        (header((10**8, 10, 25), "|b1"), "expected one row a video"),
        ((header((2**30,), "|b1"), 2**28), "expected one row a video"),
        ((b"\x93NUMPY\x02\x00\xff\xff\xff\xff", 2**28), "cannot read it"),
        ((header((2, 10, 25), "|b1"), 2**28), "cannot read it"),  # the other array is missing its numbers
    ):
        members = {"video_id.npy": ids.getvalue(), "audio.npy": audio, "visual.npy": header((2, 10, 25), "|b1")}
        bomb(tmp_path / "said.npz", members)
        with at_most(20):
            assert message in refused("score", *words)


def test_what_numpy_never_packs_is_not_unpacked(tmp_path: Path, taken: Callable[..., Any]) -> None:
    """zipfile unpacks bzip2 and LZMA by the whole buffer: 10 kB of it may be 200 MB."""
    path = tmp_path / "labels.npz"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("embedding.npy", header((25, 300)) + bytes(2**27))
        with at_most(20):
            assert taken(path, read_label_embedding, path) is None
    assert len(bz2.compress(bytes(2**27))) < 200


@pytest.mark.parametrize("name", ["labels.pt", "bad.ckpt"])
def test_a_torch_file_that_is_a_bomb(name: str, tmp_path: Path, taken: Callable[..., Any]) -> None:
    source, path = io.BytesIO(), tmp_path / name
    torch.save({"weight": torch.zeros(2**25)}, source)
    with zipfile.ZipFile(source) as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for member in plain.namelist():
            packed.writestr(member, plain.read(member))
    assert path.stat().st_size < 2**18
    del source
    assert (
        taken(path, read_label_embedding if name.endswith("pt") and "labels" in name else read_checkpoint, path) is None
    )


def test_vectors_of_one_number_are_not_written_out(tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = tmp_path / "labels.pt"
    for content in (torch.zeros(1).double().expand(10**11), dict.fromkeys(CLASSES, torch.zeros(1).expand(10**11))):
        torch.save(content, path)
        assert taken(path, read_label_embedding, path) is None


def test_a_line_of_gigabytes_is_not_read(tmp_path: Path, taken: Callable[..., Any]) -> None:
    path = tmp_path / "glove.txt"
    with path.open("wb") as file:
        file.truncate(2**34)  # a hole: it takes no room on the disk
    with at_most(20):
        assert taken(path, read_label_embedding, path) is None


# Ways out of the data folder

IDS = [
    "../../x",
    "/etc/passwd",
    "../../../.x_",
    "....//....//",
    "a/../../../b",
    "%2e%2e%2fetc",
    "C:\\Windows\\",
    "~/.ssh/id_r",
]


@pytest.mark.parametrize("identity", IDS)
def test_an_id_that_leads_out_is_refused(
    identity: str, make_llp_folder: Callable[..., Path], tmp_path: Path, refused: Refused
) -> None:
    root = make_llp_folder(train=2, val=1, test=1)
    for index, file in enumerate(("AVVP_train.csv", "AVVP_eval_audio.csv")):
        path = root / "annotations" / file
        good = path.read_text()
        path.write_text(f"{good}{identity}_0_10\t{'0	1	' if index else ''}Dog\n")
        assert "11 of the characters" in refused("data", "check", root)
        out = tmp_path / "simulated"
        assert "11 of the characters" in refused("data", "simulate", "--out", out, "--annotations", path.parent)
        assert not out.exists()
        path.write_text(good)


def test_links_that_lead_out_are_refused(
    make_llp_folder: Callable[..., Path], tmp_path: Path, refused: Refused
) -> None:
    root = make_llp_folder(train=2, val=1, test=1)
    words = ["data=llp", f"data.root={root}", "encoder=han", "trainer=cpu", "logger=none"]
    words += ["label_embedding=learnable", f"hydra.run.dir={tmp_path / 'run'}"]
    csv = root / "annotations" / "AVVP_train.csv"
    feature = next((root / FEATURE_FOLDERS["video_2d"]).glob("*train*.npy"))
    for path in (feature, csv):
        outside = tmp_path / path.name
        path.rename(outside)
        path.symlink_to(outside)
        line = refused("train", *words)
        assert "a link that leads out of the data folder, to " in line
        assert str(path) in line
        path.unlink()
        path.symlink_to(os.path.relpath(outside, path.parent))  # relative, with ..
        assert "a link that leads out of the data folder, to " in refused("train", *words)
        path.unlink()
        path.symlink_to(path.name)  # to itself
        assert str(path) in refused("train", *words)
        path.unlink()
        outside.rename(path)
    (tmp_path / "moved").mkdir()
    (root / "annotations").rename(tmp_path / "moved" / "annotations")
    (root / "annotations").symlink_to(tmp_path / "moved" / "annotations")  # a whole folder may lie elsewhere
    assert main(["data", "check", str(root)]) == 0
    csv.rename(root / "train.csv")
    csv.symlink_to(root / "train.csv")  # within the data folder
    assert main(["data", "check", str(root)]) == 0


# What names a file


def test_characters_that_are_none_are_named(
    make_llp_folder: Callable[..., Path], tmp_path: Path, refused: Refused
) -> None:
    folder = make_llp_folder(train=1, val=1, test=1) / "annotations"
    names = header((1,), "<U11") + np.full(11, 0x110000, dtype="<u4").tobytes()
    grid = header((1, 10, 25), "|b1") + bytes(250)
    bomb(tmp_path / "said.npz", {"video_id.npy": names, "audio.npy": grid, "visual.npy": grid})
    # numpy 2.4 makes a string of them, earlier ones raise.
    assert "said.npz: expected " in refused("score", "--predictions", tmp_path / "said.npz", "--annotations", folder)


@pytest.mark.parametrize(
    "words",
    [
        ["score", "--predictions", "x" * 5_000, "--annotations", "y" * 5_000],
        ["data", "check", "x" * 5_000],
        ["convert", "x" * 5_000, "y.ckpt"],
        ["score", "--predictions", "a\0b", "--annotations", "c\0d"],
    ],
    ids=["score", "check", "convert", "NUL"],
)
def test_a_path_that_no_system_takes_is_one_line(words: list[str], refused: Refused) -> None:
    assert refused(*words).startswith("error: ")
