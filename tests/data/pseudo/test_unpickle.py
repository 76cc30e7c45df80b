"""Pickles that are meant to do harm: no payload runs, whatever its shape, and bombs are small."""

from __future__ import annotations

import builtins
import collections
import contextlib
import functools
import io
import operator
import os
import pickle
import subprocess
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leap_avvp.data.pseudo import unpickle
from leap_avvp.data.pseudo.lsld import StoredLabels
from leap_avvp.data.pseudo.tensors import read_tensor_dict
from leap_avvp.data.pseudo.unpickle import PickleReader, RefusedError
from leap_avvp.errors import DataError


class Call:
    """Calls a function when it is unpickled."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced

    def __call__(self) -> None:
        """Let pickle believe that what this makes is called in turn."""


class Build:
    """Runs something when its state is set."""

    def __setstate__(self, state: Any) -> None:
        Path(state["proof"]).mkdir()

    def __getstate__(self) -> dict[str, str]:
        return self.__dict__


def built(proof: Path) -> Build:
    thing = Build()
    thing.__dict__["proof"] = str(proof)
    return thing


def torch_bytes(payload: Any) -> bytes:
    file = io.BytesIO()
    torch.save(payload, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def with_hooks(payload: Any) -> Any:
    storage = torch.zeros(3, 4).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    return Call(torch._utils._rebuild_tensor_v2, (typed, 0, (3, 4), (4, 1), False, payload))


def objects(payload: Any) -> np.ndarray[Any, Any]:
    array = np.empty(2, object)
    array[:] = payload
    return array


# What makes the proof when it is unpickled, as a value of the dict.
PAYLOADS: dict[str, Callable[[Path], Any]] = {
    "os.mkdir": lambda proof: Call(os.mkdir, (str(proof),)),
    "os.system": lambda proof: Call(os.system, (f"mkdir {proof}",)),
    "builtins.eval": lambda proof: Call(builtins.eval, (f"__import__('os').mkdir({str(proof)!r})",)),
    "builtins.exec": lambda proof: Call(builtins.exec, (f"import os; os.mkdir({str(proof)!r})",)),
    "getattr of a module": lambda proof: Call(
        Call(builtins.getattr, (Call(builtins.__import__, ("os",)), "mkdir")), (str(proof),)
    ),
    "what is behind an allowed name": lambda proof: Call(
        Call(operator.getitem, (Call(builtins.getattr, (torch._utils._rebuild_tensor_v2, "__builtins__")), "eval")),
        (f"__import__('os').mkdir({str(proof)!r})",),
    ),
    "a method": lambda proof: Call(Path.mkdir, (proof,)),
    "a partial": lambda proof: Call(functools.partial(os.mkdir, str(proof)), ()),
    "subprocess": lambda proof: Call(subprocess.check_output, (["mkdir", str(proof)],)),
    "a nested pickle": lambda proof: Call(pickle.loads, (pickle.dumps(Call(os.mkdir, (str(proof),))),)),
    "torch.load": lambda proof: Call(
        functools.partial(torch.load, weights_only=False),
        (Call(io.BytesIO, (torch_bytes(Call(os.mkdir, (str(proof),))),)),),
    ),
    "a state": built,
    "the bytes of a storage": lambda proof: Call(
        torch.storage._load_from_bytes, (torch_bytes(Call(os.mkdir, (str(proof),))),)
    ),
    "the hooks of a tensor": lambda proof: with_hooks(Call(os.mkdir, (str(proof),))),
    "an array of objects": lambda proof: objects(Call(os.mkdir, (str(proof),))),
    "an array of objects in an array of objects": lambda proof: objects(objects(Call(os.mkdir, (str(proof),)))),
    "the content of an OrderedDict": lambda proof: collections.OrderedDict(a=Call(os.mkdir, (str(proof),))),
    "a set": lambda proof: frozenset([Call(os.mkdir, (str(proof),))]),
    "a deep tuple": lambda proof: ((((Call(os.mkdir, (str(proof),)),),),),),
    "a default of a dict": lambda proof: collections.defaultdict(list, a=Call(os.mkdir, (str(proof),))),
}
# As bytes of a pickle, with the path of the proof in it: instructions that pickle.dumps does not write today.
RAW: dict[str, bytes] = {
    "GLOBAL": b"cos\nmkdir\n(V%s\ntR.",
    "INST": b"(V%s\nios\nmkdir\n.",
    "OBJ": b"(cos\nmkdir\nV%s\no.",
    "NEWOBJ": b"cos\nmkdir\nV%s\n\x85\x81.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x05mkdir\x93(V%s\ntR.",
    "a dotted name of what is allowed": (b"\x80\x04\x8c\x0dtorch.storage\x8c\x0etorch.os.mkdir\x93(V%s\ntR."),
    "memo": b"cos\nmkdir\np0\n0g0\n(V%s\ntR.",
    "two pickles": b"}.cos\nmkdir\n(V%s\ntR.",
    "persistent": b"V%s\nQ.",
    "persistent by name": b"P%s\n.",
    "extension": b"\x80\x02\x82\x01(V%s\ntR.",
    "bytes behind a length": b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00xcos\nmkdir\n(V%s\ntR.",
    "an argument that is called": b"(V%s\ntcos\nmkdir\n\x86R.",
}


RUN = ("GLOBAL", "INST", "OBJ", "STACK_GLOBAL", "a dotted name of what is allowed", "memo", "bytes behind a length")
# The others would not even run in an unpickler of today; they are to be refused all the same.


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """Return a path that exists only if a payload ran."""
    return tmp_path / "payload-ran"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "final_label.npz"


def write(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """Write a pickle as numpy writes the dict of either modality."""
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": ()})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for member in ("label_a", "label_v"):
            archive.writestr(f"{member}.npy", head.getvalue() + content)


def runs(path: Path, proof: Path) -> bool:
    """Say whether a payload runs where it is let, and clear its proof away."""
    with contextlib.suppress(Exception), np.load(path, allow_pickle=True) as archive:
        archive["label_a"]
    ran = proof.exists()
    if ran:
        proof.rmdir()
    return ran


def refused(path: Path) -> str:
    with pytest.raises(DataError) as error:
        StoredLabels(path, path.parent, "audio", (3, 4), 5)
    line = str(error.value)
    assert line.startswith(f"{path}: label_a: expected a dict of tensors by video id, ")
    assert len(line.splitlines()) == 1
    assert len(line) < 1_000
    return line


NO_KEY = ("an array of objects", "an array of objects in an array of objects")
NO_KEY += ("the content of an OrderedDict", "a default of a dict")
PLACES = [("everything", kind) for kind in PAYLOADS] + [("a value", kind) for kind in PAYLOADS]
PLACES += [("behind good ones", kind) for kind in PAYLOADS]
PLACES += [("a key", kind) for kind in PAYLOADS if kind not in NO_KEY]


@pytest.mark.parametrize(("place", "kind"), PLACES)
def test_a_payload_does_not_run(kind, place, path, proof, tmp_path):
    payload = PAYLOADS[kind](proof)
    good = {f"video {index}": torch.zeros(3, 4) for index in range(4)}
    content: Any = payload
    if place != "everything":
        content = {
            "a value": lambda: {"video 0": payload},
            "a key": lambda: {payload: torch.zeros(3, 4)},
            "behind good ones": lambda: good | {"video 4": payload},
        }[place]()
    array = np.empty((), object)
    array[()] = content
    np.savez(path, label_a=array, label_v=array)
    assert runs(path, proof)
    refused(path)
    assert not proof.exists()


@pytest.mark.parametrize("kind", RAW)
def test_a_payload_in_bytes_does_not_run(kind, path, proof):
    write(path, RAW[kind] % str(proof).encode())
    assert runs(path, proof) == (kind in RUN)
    refused(path)
    assert not proof.exists()


def test_what_is_not_loaded_is_named(path, proof):
    np.savez(path, label_a={"video 0": Call(os.mkdir, (str(proof),))}, label_v={})
    assert refused(path).endswith("found objects, which are not loaded ('posix.mkdir')")


def test_names_that_are_allowed_are_not_imported():
    """What a name stands for is ours: the real functions are never called."""
    content = pickle.dumps(np.asanyarray({"video 0": torch.ones(3, 4)}))
    names = ("torch.storage._load_from_bytes", "torch._utils._rebuild_tensor_v2")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setattr(name, lambda *_: pytest.fail("it was called"))
        (tensor,) = read_tensor_dict(io.BytesIO(content)).values()
    assert tensor.array().tolist() == torch.ones(3, 4).tolist()


@pytest.mark.parametrize("kind", sorted(set(RAW) - {"two pickles"}))
def test_a_reader_without_names_takes_no_payload_either(kind, proof):
    with pytest.raises(RefusedError, match="objects, which are not loaded"):
        PickleReader({}).read(io.BytesIO(RAW[kind] % str(proof).encode()))
    assert not proof.exists()


# Tensors that claim more than they have


def claim(content: bytes, old: bytes, new: bytes, path: Path) -> str:
    assert content.count(old) == 1
    write(path, content.replace(old, new))
    return refused(path)


def test_a_tensor_of_more_numbers_than_its_storage(path):
    content = pickle.dumps(np.asanyarray({"video 0": torch.zeros(3, 4)}), protocol=3)
    shape = b"K\x00K\x03K\x04\x86"  # offset 0, (3, 4)
    for wrong in (b"K\x01K\x03K\x04\x86", b"K\x00K\x04K\x04\x86", b"K\x00M\xff\xffK\x04\x86"):
        assert "a tensor of more numbers than are there" in claim(content, shape, wrong, path)
    for wrong in (b"J\xff\xff\xff\xffK\x03K\x04\x86", b"K\x00K\x03J\xff\xff\xff\xff\x86", b"K\x00K\x03\x88\x86"):
        assert "a tensor of another kind" in claim(content, shape, wrong, path)


def test_a_storage_of_another_length(path):
    content = pickle.dumps(np.asanyarray({"video 0": torch.zeros(3, 4)}), protocol=3)
    numel = b"cpuq\x03K\x0c"
    assert "a storage of another length" in claim(content, numel, b"cpuq\x03K\x0d", path)
    assert "a storage of another format" in claim(content, numel, b"cpuq\x03\x88\x88", path)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (b"ctorch\nHalfStorage", "a storage of another length"),
        (b"ctorch\nComplexFloatStorage", "objects, which are not loaded ('torch.ComplexFloatStorage')"),
        (b"cposix\nsystem", "objects, which are not loaded ('posix.system')"),
        (b"ctorch.storage\n_load_from_bytes", "objects, which are not loaded ('torch.storage._load_from_bytes')"),
    ],
)
def test_a_storage_of_another_kind(path, kind, text):
    content = pickle.dumps(np.asanyarray({"video 0": torch.zeros(3, 4)}), protocol=3)
    old = b"ctorch\nFloatStorage"
    start = content.index(b"B", content.index(b"_load_from_bytes")) + 1
    length = int.from_bytes(content[start : start + 4], "little") + len(kind) - len(old)
    content = content[:start] + length.to_bytes(4, "little") + content[start + 4 :]
    assert text in claim(content, old, kind, path)


# Bombs


@contextlib.contextmanager
def at_most(megabytes: int):
    tracemalloc.start()
    try:
        yield
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < megabytes * 2**20


BOMBS: dict[str, bytes] = {
    "zeros": bytes(2**25),
    "lists in lists, open": b"\x80\x04" + b"]" * 2**20,
    "tuples in tuples": b"\x80\x04)" + b"\x85" * 20_000 + b".",
    "marks": b"\x80\x04" + b"(" * 2**20,
    "a text that is not there": b"\x80\x04\x8d" + (2**40).to_bytes(8, "little") + b"x.",
    "bytes that are not there": b"\x80\x04\x8e" + (2**62).to_bytes(8, "little") + b"x.",
    "a length beyond any": b"\x80\x04\x8e" + b"\xff" * 8 + b"x.",
    "a frame that is not there": b"\x80\x04\x95" + (2**62).to_bytes(8, "little") + b"].",
    "a place far away": b"\x80\x04]r\xff\xff\xff\xff.",
    "a number of many digits": b"\x80\x04\x8b" + (2**24).to_bytes(4, "little") + b"\x01" * 2**24 + b".",
    "a decimal of many digits": b"L" + b"9" * 2**20 + b"L\n.",
    "a line without an end": b"c" + b"x" * 2**24,
    "lists that hold each other twice": b"\x80\x04]\x94" + b"]\x94(h\x00h\x00e" * 2**10 + b".",
    "itself": b"\x80\x04]\x94h\x00a.",
    "itself as a dict": b"\x80\x04}\x94\x8c\x01ah\x00s.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_in_little_memory(kind, path):
    write(path, BOMBS[kind], zipfile.ZIP_DEFLATED)
    with at_most(64):
        refused(path)


@pytest.mark.parametrize(
    ("limit", "bomb"),
    [
        ("_MOST_STEPS", b"\x80\x04]" + b"]a" * 600 + b"."),
        ("_MOST_REMEMBERED", b"\x80\x04]" + b"]\x94a" * 1_100 + b"."),
        ("_MOST_WAITING", b"\x80\x04" + b"]" * 1_100 + b"."),
    ],
)
def test_what_a_pickle_makes_is_counted(limit, bomb, path, monkeypatch):
    write(path, bomb)
    monkeypatch.setattr(unpickle, limit, 1_000)
    assert "more than labels take" in refused(path)
    monkeypatch.undo()
    assert "more than labels take" not in refused(path)


def test_nested_storages_are_no_way_to_the_depth(path):
    content = b""
    for _ in range(200):  # bytes in bytes in bytes
        content = (
            b"\x80\x04ctorch.storage\n_load_from_bytes\nB" + len(content).to_bytes(4, "little") + content + b"\x85R."
        )
    write(path, content)
    with at_most(64):
        refused(path)


# Damage

# Once: the key of a storage is its address, which differs from tensor to tensor.
WHOLE = [pickle.dumps(np.asanyarray({f"video {n}": torch.rand(3, 4) for n in range(2)}), protocol=p) for p in (2, 4)]
PLACE = st.integers(0, 10**6)


@settings(
    deadline=None, max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    whole=st.sampled_from(WHOLE),
    changes=st.lists(st.tuples(PLACE, st.integers(0, 255)), max_size=4),
    cut=st.none() | PLACE,
)
def test_any_damage_is_refused_or_harmless(whole, changes, cut, tmp_path):
    content = bytearray(whole)
    for place, value in changes:
        content[place % len(content)] = value
    if cut is not None:
        del content[cut % len(content) :]
    path = tmp_path / "damaged.npz"
    write(path, bytes(content))
    line, labels = "", None
    try:
        labels = StoredLabels(path, tmp_path, "audio", (3, 4), 2)
    except DataError as error:
        line = str(error)
    if labels is None:
        assert line.startswith(f"{path}: label_a: ")
        assert len(line.splitlines()) == 1
    else:
        assert cut is None
        assert labels.others([]) <= 2
