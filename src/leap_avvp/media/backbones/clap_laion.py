"""CLAP's checkpoints as laion_clap wrote them (``630k-fusion-best.pt``), put into transformers' ClapModel.

Such a file is a pickle that holds numbers of NumPy beside the weights, which ``torch.load(weights_only=True)`` refuses.
It is read here as data alone: of all that a pickle may name only tensors are rebuilt, and of these only the weights are
read from the file.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.media.extras import need

__all__ = ["load_laion", "read_laion", "transformers_name"]

# Of another training, or computed: the waveform's front end, AudioSet's head, and two layers that no embedding passes.
_UNUSED = re.compile(
    r"audio_branch\.(spectrogram_extractor|logmel_extractor|tscam_conv|head)\."
    r"|(audio|text)_transform\.|.*\.(attn_mask|relative_position_index|position_ids|token_type_ids)$"
)
_RENAMED = (
    (r"^audio_branch\.", "audio_model.audio_encoder."),
    (r"^text_branch\.", "text_model."),
    (r"^(audio|text)_projection\.0\.", r"\1_projection.linear1."),
    (r"^(audio|text)_projection\.2\.", r"\1_projection.linear2."),
    (r"\.bn0\.", ".batch_norm."),
    (r"(\.blocks\.\d+)\.norm1\.", r"\1.layernorm_before."),
    (r"(\.blocks\.\d+)\.norm2\.", r"\1.layernorm_after."),
    (r"(\.blocks\.\d+)\.mlp\.fc1\.", r"\1.intermediate.dense."),
    (r"(\.blocks\.\d+)\.mlp\.fc2\.", r"\1.output.dense."),
    (r"(\.blocks\.\d+)\.attn\.proj\.", r"\1.attention.output.dense."),
    (r"(\.blocks\.\d+)\.attn\.", r"\1.attention.self."),
)
_PARTS = ("query", "key", "value")
_TYPES = {"FloatStorage": torch.float32, "HalfStorage": torch.float16, "DoubleStorage": torch.float64,
          "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
          "BoolStorage": torch.bool}  # fmt: skip


def transformers_name(name: str) -> str | None:
    """Return the name in a ClapModel of a weight of laion_clap's; None of one that has no part in embeddings.

    ``qkv`` stays: it becomes ``query``, ``key`` and ``value``, a third of its rows each.
    """
    if _UNUSED.match(name):
        return None
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    return name


def load_laion(path: Path) -> Any:
    """Return transformers' ClapModel with a checkpoint's weights, in eval mode; with fusion if the checkpoint has it.

    Raises:
        ConfigError: transformers is not installed.
        DataError: not a checkpoint of HTSAT-tiny and RoBERTa, which laion_clap's 630k files are.
    """
    transformers = need("transformers", "clip")
    laid: dict[str, Tensor] = {}
    state = read_laion(path)
    for name, value in state.items():
        new = transformers_name(name.removeprefix("module."))
        if new is not None and ".qkv." in new:
            thirds = zip(_PARTS, value.chunk(3), strict=False)
            laid |= {new.replace("qkv", part): third.clone() for part, third in thirds}
        elif new is not None:
            laid[new] = value
    fusion = any(".mel_conv2d." in name for name in laid)
    words = laid.get("text_model.embeddings.word_embeddings.weight", torch.zeros(0))
    layers = [int(found[1]) for name in laid if (found := re.match(r"text_model\.encoder\.layer\.(\d{1,2})\.", name))]
    config = transformers.ClapConfig(
        audio_config={"enable_fusion": fusion, "fusion_type": "aff_2d" if fusion else None},
        text_config={
            "layer_norm_eps": 1e-5,
            "vocab_size": max(3, len(words)),
            "num_hidden_layers": max(layers, default=0) + 1,
        },
    )
    model = transformers.ClapModel(config)
    try:
        missing, unknown = model.load_state_dict(laid, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()[:200]
        raise DataError(f"{path}: expected a CLAP of HTSAT-tiny and RoBERTa; {reason}") from error
    lacking = [name for name in missing if transformers_name(name) is not None]  # what is computed is nowhere
    for names, what in ((lacking, "lacks"), (unknown, "also has")):
        if names:
            raise DataError(f"{path}: expected a CLAP of HTSAT-tiny and RoBERTa; it {what} {names[0]}")
    return model.float().requires_grad_(False).eval()


def read_laion(path: Path) -> dict[str, Tensor]:
    """Return the ``state_dict`` of a checkpoint, on the CPU; nothing that it names is called.

    Raises:
        DataError: no such file, damaged, of another form, or tensors that claim more numbers than it has.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (listing,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            content = _Checkpoint(io.BytesIO(_read(archive, listing))).load()
            state = content.get("state_dict", content)
            return {
                str(name): value.read(archive, listing.removesuffix("data.pkl"))
                for name, value in state.items()
                if transformers_name(str(name).removeprefix("module.")) is not None
            }
    except Exception as error:  # a damaged pickle raises whatever its last instruction does
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise DataError(f"{path}: expected a checkpoint of laion_clap, cannot read it ({reason})") from error


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is packed, which torch.save never does")
    return archive.read(member)


class _Storage:
    """Where numbers lie in the file."""

    def __init__(self, dtype: torch.dtype, key: str, count: int) -> None:
        self.dtype, self.key, self.count = dtype, key, count


class _Stored:
    """A tensor that has not been read."""

    def __init__(self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def read(self, archive: zipfile.ZipFile, root: str) -> Tensor:
        numbers = torch.frombuffer(
            bytearray(_read(archive, f"{root}data/{self.storage.key}")), dtype=self.storage.dtype
        )
        if math.prod(self.size) > len(numbers):
            raise ValueError(f"a tensor of {self.size} in a storage of {len(numbers):,} numbers")
        return numbers.as_strided(self.size, self.stride, self.offset).clone()


class _Nothing:
    """In place of everything else that a checkpoint names: numbers of NumPy, its optimizer's classes."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class _Checkpoint(pickle.Unpickler):
    """Rebuilds dicts and tensors; calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: _Stored(storage, offset, size, stride)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda stored, *_: stored
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        return _Nothing

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not re.fullmatch(r"\w+", key):
            raise pickle.UnpicklingError(f"a storage of another kind: {str(pid)[:80]}")
        return _Storage(dtype, key, int(count))
