"""What the networks of all backbones share: weights read as data alone, and forward passes in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.files.tensors import read_tensors
from leap_avvp.media.extras import need

__all__ = ["batched", "load_pretrained", "load_strictly", "load_tokenizer", "of_torchvision", "read_state"]


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by name, on the CPU.

    Raises:
        DataError: no such file, damaged, or anything but tensors by name.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a file of weights, found none")
    state = read_tensors(path)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path}: expected tensors by name, found {type(state).__name__} of other things")
    return state


def load_strictly(network: nn.Module, state: dict[str, Tensor], where: Path) -> None:
    """Put weights into a network, which may lie on the meta device: each of its tensors has one, and none is left.

    Raises:
        DataError: naming the file, and a tensor that is missing, of another shape, or not the network's.
    """
    own = network.state_dict()
    # Files of before 2018 have no count of batches, which nothing reads.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    unknown = [name for name in state if name not in own]
    for names, what in ((missing, "lacks"), (unknown, "also has")):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise DataError(f"{where}: expected the weights of {type(network).__name__}; it {what} {names[0]}{more}")
    for name, value in state.items():
        if value.shape != own[name].shape:
            raise DataError(f"{where}: {name}: expected shape {tuple(own[name].shape)}, found {tuple(value.shape)}")
    network.load_state_dict(state, strict=False, assign=True)
    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta and name.endswith("num_batches_tracked"):
            owner, _, last = name.rpartition(".")
            setattr(network.get_submodule(owner), last, torch.zeros(buffer.shape, dtype=buffer.dtype))
    network.requires_grad_(False).eval()


@torch.inference_mode()
def batched(
    network: Callable[[Tensor], Tensor],
    items: Sequence[Any],
    prepare: Callable[[Sequence[Any]], Tensor],
    device: str | torch.device,
    batch: int,
    width: int,
) -> NDArray[np.float32]:
    """Return (n, ``width``): the network's answers to n items, ``batch`` of them at a time.

    Args:
        network: takes (b, ...) on the device and returns (b, ``width``).
        items: n of them.
        prepare: makes (b, ...) of b items.
        device: of the network.
        batch: always the same cuts, so that the same items give the same bytes.
        width: of an answer, also where there are no items.
    """
    parts: Iterable[NDArray[np.float32]] = (
        network(prepare(items[first : first + batch]).to(device)).float().cpu().numpy()
        for first in range(0, len(items), batch)
    )
    return np.concatenate([np.zeros((0, width), np.float32), *parts])


def of_torchvision(module: str) -> Any:
    """Return a module of torchvision.

    Raises:
        ConfigError: it is not installed, or is another build than torch's, as PyPI's are beside a CPU torch.
    """
    try:
        return need(module, "torchvision")
    except RuntimeError as error:  # its operators are not found
        reason = (str(error).splitlines() or ["?"])[0][:200]
        raise ConfigError(
            f"torchvision is installed but does not load beside torch {torch.__version__} ({reason}); install both "
            "of one kind: https://pytorch.org/get-started"
        ) from error


def load_pretrained(kind: str, folder: Path) -> Any:
    """Return a model of transformers out of a local folder, float32, in eval mode; nothing is asked of a network.

    Args:
        kind: name of the class: ``CLIPModel``, ``ClapModel``.
        folder: with ``config.json`` and the weights.

    Raises:
        ConfigError: transformers is not installed.
        DataError: not a folder of such a model, or weights that do not fill it.
    """
    transformers = _transformers()
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: expected a folder with config.json and weights of a {kind}, found none")
    try:
        model, info = getattr(transformers, kind).from_pretrained(
            str(folder), local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # a damaged file raises whatever its last part does
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{folder}: expected a {kind}, cannot load it ({reason})") from error
    lacking = [*info["missing_keys"], *info["mismatched_keys"]]
    if lacking:
        raise DataError(f"{folder}: expected all weights of a {kind}; missing or of another shape: {lacking[0]}")
    return model.float().requires_grad_(False).eval()


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a local folder.

    Raises:
        ConfigError: transformers is not installed.
        DataError: there is none.
    """
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        # Without its files transformers makes one that knows no words.
        raise DataError(f"{folder}: expected a tokenizer (tokenizer.json, or vocab.json and merges.txt), found none")
    try:
        return _transformers().AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except ConfigError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{folder}: expected a tokenizer, cannot load it ({reason})") from error


def _transformers() -> Any:
    transformers = need("transformers", "clip")
    need("transformers.utils.logging", "clip").disable_progress_bar()  # of loading weights, a second or two
    return transformers
