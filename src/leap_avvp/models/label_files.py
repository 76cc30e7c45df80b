"""Label embeddings from files: the released ``.pt``, GloVe's text (also in gzip), an ``.npy`` or ``.npz``."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leap_avvp.errors import DataError, check_choice
from leap_avvp.files.links import absence, pointer
from leap_avvp.files.npz import NpyHeader, open_npz, read_npy_header
from leap_avvp.files.tensors import read_tensors
from leap_avvp.llp import CLASSES, EMBEDDING_DIM
from leap_avvp.models.arguments import MOST_UNITS
from leap_avvp.models.label_queries import LabelQueries

__all__ = ["KNOWN_NAMES", "class_words", "glove_queries", "read_label_embedding"]

KNOWN_NAMES = ("llp_label_glove_embeddings.pt", "label_embedding.npz")
"""What :func:`glove_queries` looks for in a data folder when it is given no path."""

# A line of GloVe's largest file has 5,000 characters; a damaged file may be one line of gigabytes.
_LONGEST_LINE = 65_536
_MOST_NAME_BYTES = 2**22
_MOST_LINES = 2**24  # the largest files have three million; a few megabytes of gzip may be billions of empty lines
_GZIP = b"\x1f\x8b"
_SHOWN = 20

_HOW_TO_GET = (
    "the file llp_label_glove_embeddings.pt comes with the released LEAP program; or pass the text file of GloVe 6B "
    "(glove.6B.300d.txt, nlp.stanford.edu/projects/glove), from which the class names' vectors are averaged: "
    "label_embedding.path=FILE; or train without one: label_embedding=learnable"
)


def class_words(name: str) -> list[str]:
    """Return the words of a class name, as GloVe spells them: ``Frying_(food)`` -> ``frying, food``."""
    return re.findall(r"[^\W_]+", name.lower())


def glove_queries(
    path: str | Path | None = None,
    search: str | Path | None = None,
    embedding_dim: int | None = EMBEDDING_DIM,
    classes: Sequence[str] = CLASSES,
    words: Mapping[str, str] | None = None,
) -> LabelQueries:
    """Return fixed label queries from ``path``, or from a file of a known name in the folder ``search``.

    Args:
        path: see :func:`read_label_embedding`.
        search: a data folder.
        embedding_dim: E; None takes what the file has.
        classes: (C,) names, in the order of the card.
        words: by class, the words whose vectors stand for it, in place of those of its name.

    Raises:
        DataError: saying where the file is to be had when there is none.
        ConfigError: ``words`` of a class that there is not.
    """
    if path is None:
        folders = [] if search is None else [Path(search), Path(search) / "annotations", Path(search) / "data"]
        files = [folder / name for folder in folders for name in KNOWN_NAMES]
        found = [file for file in files if file.is_file() or file.is_symlink()]
        if not found:
            looked = f" (looked for {' and '.join(KNOWN_NAMES)} in {search})" if search else ""
            raise DataError(f"label_embedding=glove needs a file, found none{looked}: {_HOW_TO_GET}")
        path = found[0]
    embedding = read_label_embedding(path, embedding_dim, classes, words)
    number, width = embedding.shape
    return LabelQueries(embedding, kind="glove", num_classes=number, embedding_dim=width)


def read_label_embedding(
    path: str | Path,
    embedding_dim: int | None = EMBEDDING_DIM,
    classes: Sequence[str] = CLASSES,
    words: Mapping[str, str] | None = None,
) -> Tensor:
    """Return the (C, E) label embedding in ``path``, its rows in the order of ``classes``.

    - ``.pt``: a dict of C vectors in class order (the released file), or one (C, E) tensor;
    - ``.npy``: an array (C, E); ``.npz``: one named ``embedding`` and, to be checked, ``classes``;
    - anything else: GloVe's text format, a word and E numbers a line, as it is or in gzip. A first line that counts
      words and numbers, as word2vec and fastText write it, does no harm; nor do other words in other encodings. A name
      of several words gets the mean of their vectors.

    Args:
        path: the file.
        embedding_dim: E; None takes what the file has.
        classes: (C,) names.
        words: see :func:`glove_queries`.

    Raises:
        DataError: naming the file, what was expected and what was found.
        ConfigError: ``words`` of a class that there is not.
    """
    for name in words or {}:
        check_choice("label_embedding.words", name, classes)
    path = Path(path)
    try:
        instead = absence(path) or pointer(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if instead not in (None, "missing"):
        raise DataError(f"{path}: {instead}")
    if instead or not path.is_file():
        raise DataError(f"{path}: no such file; {_HOW_TO_GET}")
    if path.suffix in (".pt", ".pth"):
        embedding = _read_pt(path, classes)
    elif path.suffix == ".npz":
        embedding = _read_npz(path, embedding_dim, classes)
    elif path.suffix == ".npy":
        embedding = _read_npy(path, embedding_dim, len(classes))
    else:
        spoken = {name: (words or {}).get(name, name) for name in classes}
        embedding = _read_glove_text(path, embedding_dim, spoken)
    _check_shape(path, tuple(embedding.shape), embedding_dim, len(classes))
    if not torch.isfinite(embedding).all():
        raise DataError(f"{path}: expected finite numbers, found NaN or Inf")
    return embedding


def _check_names(path: Path, names: Sequence[str], classes: Sequence[str]) -> None:
    # Spellings differ between files ("Fry food"), so only the beginning of each name is held against ours.
    whose = "LLP's" if tuple(classes) == CLASSES else "the card's"
    for index, (name, ours) in enumerate(zip(names, classes, strict=False)):
        if name.lower()[:3] != ours.lower()[:3]:
            raise DataError(
                f"{path}: expected the classes in {whose} order, found {name[:60]!r} in place {index} of {ours!r}"
            )


def _check_shape(path: Path, shape: tuple[int, ...], embedding_dim: int | None, number: int) -> None:
    if len(shape) != 2 or shape[0] != number or shape[1] not in (embedding_dim or shape[1],) or not shape[1]:
        width = "one number or more" if embedding_dim is None else f"{embedding_dim} numbers"
        raise DataError(f"{path}: expected {number} vectors of {width}, found shape {str(shape)[:80]}")


def _read_pt(path: Path, classes: Sequence[str]) -> Tensor:
    content = read_tensors(path)
    if isinstance(content, Tensor):
        return _real(path, content)
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise DataError(f"{path}: expected a dict of {len(classes)} vectors, found {type(content).__name__}")
    shapes = {tuple(value.shape) for value in content.values()}
    if len(content) != len(classes) or len(shapes) != 1:
        raise DataError(
            f"{path}: expected {len(classes)} vectors of one width, found {len(content)} of {sorted(shapes)[:5]}"
        )
    _check_names(path, [str(name) for name in content], classes)
    return torch.stack([_real(path, value) for value in content.values()])


def _real(path: Path, tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        raise DataError(f"{path}: expected real numbers, found {tensor.dtype}")
    return tensor.detach().to(torch.float32)


def _read_npz(path: Path, embedding_dim: int | None, classes: Sequence[str]) -> Tensor:
    with open_npz(path) as archive:
        if "embedding" not in archive.names:
            found = ", ".join(repr(name[:40]) for name in sorted(archive.names)[:5])
            raise DataError(f"{path}: expected an array 'embedding', found {found or 'none'}")
        _check_header(path, archive.header("embedding"), embedding_dim, len(classes))
        if "classes" in archive.names:
            names = archive.header("classes")
            if names.shape != (len(classes),) or names.dtype.kind != "U" or names.data_bytes > _MOST_NAME_BYTES:
                raise DataError(
                    f"{path}: classes: expected {len(classes)} names, found {_kind(names)} {str(names.shape)[:80]}"
                )
            _check_names(path, archive.read("classes").tolist(), classes)
        with np.errstate(over="ignore"):  # what is too large becomes Inf, which is refused
            return torch.from_numpy(archive.read("embedding").astype(np.float32))


def _read_npy(path: Path, embedding_dim: int | None, number: int) -> Tensor:
    try:
        with path.open("rb") as file:
            _check_header(path, read_npy_header(file), embedding_dim, number)
            file.seek(0)
            array = np.lib.format.read_array(file, allow_pickle=False)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: expected a .npy file, cannot read it ({reason[:200]})") from error
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def _check_header(path: Path, header: NpyHeader, embedding_dim: int | None, number: int) -> None:
    if header.dtype.kind not in "fiu":
        raise DataError(f"{path}: embedding: expected plain real numbers, found {_kind(header)}")
    _check_shape(path, header.shape, embedding_dim, number)
    if header.shape[1] > MOST_UNITS:
        raise DataError(f"{path}: expected vectors of at most {MOST_UNITS:,} numbers, found {header.shape[1]:,}")


def _kind(header: NpyHeader) -> str:
    return "objects, which are not loaded" if header.dtype.hasobject else str(header.dtype)[:80]


def _read_glove_text(path: Path, embedding_dim: int | None, spoken: Mapping[str, str]) -> Tensor:
    """Read the vectors of the words that stand for each class, ``spoken`` by class."""
    wanted = {word.encode(): word for text in spoken.values() for word in class_words(text)}
    width = "E" if embedding_dim is None else embedding_dim
    vectors: dict[str, np.ndarray] = {}
    try:
        for number, line in enumerate(_lines(path), start=1):
            if len(line) == _LONGEST_LINE or number > _MOST_LINES:
                what = "a longer line" if number <= _MOST_LINES else "a line more than any such file has"
                raise DataError(f"{path}:{number}: expected a word and {width} numbers, found {what}")
            if b"\0" in line:
                raise ValueError("not text")
            # Bytes, not text: other words may be in any encoding, or in none.
            word, _, rest = line.partition(b" ")
            if word not in wanted:
                continue
            vector = np.array(rest.decode("ascii").split(), dtype=np.float32)
            if embedding_dim is None and vector.size:
                embedding_dim = vector.size
            if vector.shape != (embedding_dim,):
                raise DataError(f"{path}:{number}: expected {embedding_dim or width} numbers, found {vector.size}")
            vectors[wanted[word]] = vector
    except DataError:
        raise
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a whole gzip file, cannot read it ({error}); get it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: expected GloVe's text format, a word and {width} numbers a line") from error
    _check_words(path, spoken, vectors)
    means = [np.mean([vectors[word] for word in class_words(text)], 0) for text in spoken.values()]
    return torch.from_numpy(np.stack(means))


def _check_words(path: Path, spoken: Mapping[str, str], vectors: Mapping[str, np.ndarray]) -> None:
    absent = {
        name: [word for word in class_words(text) if word not in vectors] or ["any word"]
        for name, text in spoken.items()
        if not class_words(text) or not all(word in vectors for word in class_words(text))
    }
    if absent:
        words = sorted({word for missing in absent.values() for word in missing})
        more = f", ... ({len(words)} words)" if len(words) > _SHOWN else ""
        first = next(iter(absent))
        key = first if first.isidentifier() else "CLASS"
        raise DataError(
            f"{path}: expected a vector for each word of the class names, found none for "
            f"{', '.join(words[:_SHOWN])}{more} (of {first}); put a class into words that are there, "
            f"+label_embedding.words.{key}='other words', or learn the vectors: label_embedding=learnable"
        )


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, unpacked if it is a gzip, each of at most ``_LONGEST_LINE`` bytes."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    with gzip.open(path, "rb") if packed else path.open("rb") as lines:
        yield from iter(lambda: lines.readline(_LONGEST_LINE), b"")
