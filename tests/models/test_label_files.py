"""Label embeddings from the three kinds of file, and what is refused."""

from __future__ import annotations

import gzip
import io
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.errors import DataError
from leap_avvp.llp import CLASSES
from leap_avvp.models import label_files
from leap_avvp.models.label_files import class_words, glove_queries, read_label_embedding

RELEASED = Path(__file__).resolve().parents[3] / "shared" / "llp" / "llp_label_glove_embeddings.pt"


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def vectors(width: int = 300) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict((name, torch.full((width,), float(index))) for index, name in enumerate(CLASSES))


def test_the_released_file():
    if not RELEASED.is_file():
        pytest.skip(f"the released label embeddings are not at {RELEASED}")
    embedding = read_label_embedding(RELEASED)
    assert embedding.shape == (25, 300)
    assert embedding.norm(dim=1).min() > 3
    queries = glove_queries(search=RELEASED.parent)
    assert queries.kind == "glove"
    assert torch.equal(queries(), embedding)


def test_a_dict_a_tensor_and_an_archive_give_the_same(tmp_path):
    expected = torch.stack(list(vectors().values()))
    torch.save(vectors(), tmp_path / "dict.pt")
    torch.save(expected, tmp_path / "tensor.pt")
    np.savez(tmp_path / "archive.npz", embedding=expected.numpy(), classes=np.array(CLASSES))
    for name in ("dict.pt", "tensor.pt", "archive.npz"):
        assert torch.equal(read_label_embedding(tmp_path / name), expected)


def test_words_of_class_names():
    assert class_words("Frying_(food)") == ["frying", "food"]
    assert class_words("Baby_cry_infant_cry") == ["baby", "cry", "infant", "cry"]


def test_glove_text_is_averaged_over_the_words_of_a_name(tmp_path):
    words = sorted({word for name in CLASSES for word in class_words(name)})
    lines = [f"{word} {index} {2 * index}" for index, word in enumerate(words)]
    (tmp_path / "glove.txt").write_text("the 9 9\n" + "\n".join(lines) + "\n")
    embedding = read_label_embedding(tmp_path / "glove.txt", embedding_dim=2)
    place = {word: index for index, word in enumerate(words)}
    cry = [place[word] for word in ("baby", "cry", "infant", "cry")]
    assert embedding[CLASSES.index("Baby_cry_infant_cry")].tolist() == [sum(cry) / 4, sum(cry) / 2]
    (tmp_path / "short.txt").write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(DataError, match=f"found none for {words[0]}"):
        read_label_embedding(tmp_path / "short.txt", embedding_dim=2)
    with pytest.raises(DataError, match="expected 300 numbers, found 2"):
        read_label_embedding(tmp_path / "glove.txt")


def glove_lines(width: int = 300) -> bytes:
    words = sorted({word for name in CLASSES for word in class_words(name)})
    return "".join(f"{word}{f' {index / 8}' * width}\n" for index, word in enumerate(words)).encode()


GLOVE = {
    "glove.txt.gz": gzip.compress(glove_lines()),
    "gzip by another name.txt": gzip.compress(glove_lines()),
    "with a header line.vec": b"400000 300\n" + glove_lines(),
    "a header line in gzip.vec.gz": gzip.compress(b"400000 300\n" + glove_lines()),
    "spaces at the ends of lines.vec": glove_lines().replace(b"\n", b" \n"),
    "CRLF.txt": glove_lines().replace(b"\n", b"\r\n"),
    "Latin-1 in other lines.txt": "café".encode("latin-1") + b" 0.1" * 300 + b"\n" + glove_lines() + b"\xff\xfe 1\n",
}


@pytest.mark.parametrize("name", GLOVE)
def test_word_vectors_of_other_tools_are_read_alike(name, tmp_path):
    (tmp_path / "plain.txt").write_bytes(glove_lines())
    (tmp_path / name).write_bytes(GLOVE[name])
    expected = read_label_embedding(tmp_path / "plain.txt")
    assert expected.unique().numel() > 20
    assert torch.equal(read_label_embedding(tmp_path / name), expected)


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f2", "f8", "i8"])
def test_word_vectors_in_a_npy_file(dtype, tmp_path):
    expected = np.arange(25 * 300, dtype=np.float32).reshape(25, 300) % 64
    np.save(tmp_path / "labels.npy", np.asfortranarray(expected.astype(dtype)))
    np.testing.assert_array_equal(read_label_embedding(tmp_path / "labels.npy"), expected)


def test_a_pointer_or_a_link_to_word_vectors_says_how_to_get_them(tmp_path):
    (tmp_path / "labels.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(DataError, match=r"labels\.pt: missing: a pointer of Git LFS .* `git lfs pull`"):
        read_label_embedding(tmp_path / "labels.pt")
    (tmp_path / "llp_label_glove_embeddings.pt").symlink_to(".git/annex/objects/1F/2G/KEY/KEY")
    with pytest.raises(DataError, match=r"missing: a link to .*/KEY, which is not there; `git annex get`"):
        glove_queries(search=tmp_path)


def test_a_gzip_of_empty_lines_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, "_MOST_LINES", 1000)
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"\n" * 10**6))
    with pytest.raises(DataError, match=r"bomb\.gz:1001: .* found a line more than any such file has"):
        read_label_embedding(tmp_path / "bomb.gz")


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def reordered() -> OrderedDict[str, torch.Tensor]:
    items = list(vectors().items())
    return OrderedDict([items[1], items[0], *items[2:]])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (vectors(200), r"25 vectors of 300 numbers, found shape \(25, 200\)"),
        (OrderedDict(list(vectors().items())[:24]), "found 24"),
        (reordered(), "in LLP's order, found 'Car' in place 0"),
        (torch.full((25, 300), float("nan")), "finite"),
        (torch.zeros(24, 300), r"\(24, 300\)"),
        ([1, 2], "found list"),
    ],
)
def test_a_file_that_does_not_fit_is_named(content, text, tmp_path):
    torch.save(content, tmp_path / "labels.pt")
    with pytest.raises(DataError, match=text) as caught:
        read_label_embedding(tmp_path / "labels.pt")
    assert str(tmp_path / "labels.pt") in str(caught.value)


def test_a_payload_does_not_run(tmp_path):
    torch.save({"Speech": Payload(tmp_path / "ran")}, tmp_path / "labels.pt")
    np.savez(tmp_path / "labels.npz", embedding=np.array([Payload(tmp_path / "ran")], dtype=object))
    for name in ("labels.pt", "labels.npz"):
        with pytest.raises(DataError, match="objects, which are not loaded"):
            read_label_embedding(tmp_path / name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("labels.pt", b"", "cannot read it"),
        ("labels.pt", b"not a file of torch", "cannot read it"),
        ("labels.npz", b"PK not a zip", "cannot read it"),
        ("glove.txt", b"\xff\xfe\x00", "GloVe's text format"),
        ("glove.txt", b"speech one two\n", "GloVe's text format"),
        ("glove.txt", "speech 0.1 \u0660\n".encode(), "GloVe's text format"),
        ("glove.txt", b"word" * 20_000, "glove.txt:1: .* found a longer line"),
        ("glove.gz", gzip.compress(bytes(10**6)), "found a longer line"),
        ("glove.gz", gzip.compress(b"the 0.1\n" * 9_000)[:-9], "expected a whole gzip file"),
        ("glove.gz", b"\x1f\x8bnot a gzip", "expected a whole gzip file"),
        ("labels.npy", b"\x93NUMPY", r"expected a \.npy file"),
        ("labels.npy", npy(np.zeros((25, 200))), r"25 vectors of 300 numbers, found shape \(25, 200\)"),
        ("labels.npy", npy(np.full((25, 300), "x")), "plain real numbers, found <U1"),
        ("labels.npy", npy(np.full((25, 300), None)), "found objects, which are not loaded"),
        ("labels.npy", npy(np.full((25, 300), np.nan)), "finite"),
        ("labels.npy", npy(np.zeros((25, 300)))[:-1], r"expected a \.npy file"),
    ],
)
def test_a_damaged_file_is_named(name, data, text, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=text):
        read_label_embedding(tmp_path / name)


def test_an_archive_without_the_array_is_named(tmp_path):
    np.savez(tmp_path / "labels.npz", vectors=np.zeros((25, 300)))
    with pytest.raises(DataError, match="expected an array 'embedding', found 'vectors'"):
        read_label_embedding(tmp_path / "labels.npz")


@pytest.mark.parametrize("path", [None, "/nowhere/labels.pt"])
def test_no_file_says_where_to_get_one(path, tmp_path):
    with pytest.raises(DataError, match=r"llp_label_glove_embeddings\.pt.*nlp\.stanford\.edu"):
        glove_queries(path, search=tmp_path)
