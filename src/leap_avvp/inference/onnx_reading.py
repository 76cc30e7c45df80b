"""An ONNX file of ``leap-avvp export`` as a parser: onnxruntime computes what torch does elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leap_avvp.card import DataCard
from leap_avvp.config.build import Parts
from leap_avvp.config.job import check_model
from leap_avvp.errors import DataError
from leap_avvp.files.links import pointer
from leap_avvp.inference.onnx_writing import ONNX_FORMAT, ONNX_KEY
from leap_avvp.inference.parser import PROBABILITIES, Parser
from leap_avvp.media.extras import need

__all__ = ["OnnxModel", "is_onnx", "read_onnx"]

_LOG_FATAL = 4  # of onnxruntime: what is wrong with a file is in its exception


class OnnxModel(nn.Module):
    """The network of an ONNX file, on the CPU, with as many threads as torch has.

    Args:
        session: an ``onnxruntime.InferenceSession``.
        digest: of the file. It is all that the state of this module holds, so that two files are two models.
    """

    sha256: Tensor

    def __init__(self, session: Any, digest: bytes) -> None:
        super().__init__()
        self._session = session
        self._outputs = [output.name for output in session.get_outputs()]
        self.register_buffer("sha256", torch.tensor(list(digest), dtype=torch.uint8))

    def forward(self, **features: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name.

        Args:
            features: by stream: (B, T, F), float32; outputs come back to their device.
        """
        given = {name: value.detach().cpu().numpy() for name, value in features.items()}
        computed = self._session.run(self._outputs, given)
        return {
            name: torch.from_numpy(array).to(self.sha256.device)
            for name, array in zip(self._outputs, computed, strict=True)
        }


def is_onnx(path: Path) -> bool:
    """Say whether a path is that of an ONNX file, by its ending."""
    return path.suffix == ".onnx" and not path.is_dir()


def read_onnx(path: Path) -> Parser:
    """Return the parser of an ONNX file that ``leap-avvp export --onnx`` wrote.

    Raises:
        ConfigError: ``onnxruntime`` is not installed, or a config that names what is not trusted.
        DataError: a file that is missing, damaged or foreign, or whose inputs and outputs are not those of its card.
    """
    runtime = need("onnxruntime", "onnx")
    digest = _digest(path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = _LOG_FATAL
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(ONNX_KEY, "")
    except Exception as error:  # of onnxruntime, which has many
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{path}: expected an ONNX file, cannot read it ({reason}); export the model again") from error
    content = _content(text, path)
    config = check_model(content["config"], path)
    parts = Parts(config)
    _check(session, parts.card, path)
    trained_on = content.get("trained_on")
    return Parser(
        OnnxModel(session, digest),
        parts.card,
        parts.protocol(),
        source=str(path.absolute()),
        trained_on=trained_on if isinstance(trained_on, str) else None,
        config=config,
        config_hash=str(content.get("config_hash", "")),
    )


def _digest(path: Path) -> bytes:
    try:
        instead = pointer(path)
        if instead:
            raise DataError(f"{path}: {instead}")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); `leap-avvp export CKPT DIR --onnx` writes it"
        ) from error


def _content(text: str, path: Path) -> dict[str, Any]:
    """Return what the file says of its model."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.get("format") != ONNX_FORMAT or not isinstance(content["config"], dict):
        found = str(content.get("format"))[:60] if isinstance(content, dict) else "nothing of the kind"
        raise DataError(
            f"{path}: expected a model of the format {ONNX_FORMAT} (metadata {ONNX_KEY}), found {found}; "
            "`leap-avvp export CKPT DIR --onnx` writes one"
        )
    return content


def _check(session: Any, card: DataCard, path: Path) -> None:
    """Hold the graph's inputs and outputs against the card, so that parsing cannot meet others."""
    inputs = {each.name: list(each.shape)[1:] for each in session.get_inputs()}
    expected = {name: [card.segments, stream.width] for name, stream in card.features.streams.items()}
    if inputs != expected:
        raise DataError(f"{path}: expected the inputs {expected} of its card, found {inputs}; export the model again")
    outputs = {each.name: list(each.shape)[1:] for each in session.get_outputs()}
    sizes = {name: [card.segments] if name.startswith("segment") else [] for name in PROBABILITIES}
    expected = {name: [*size, card.num_classes] for name, size in sizes.items()}
    if outputs != expected:
        raise DataError(f"{path}: expected the outputs {expected} of its card, found {outputs}; export the model again")
