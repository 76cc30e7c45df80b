"""Golden files of VALOR's and UWAV's released programs, and our parsers with their weights.

``golden_parser("valor_plus")`` is a parser of ours with the golden weights, in eval mode; ``golden_features`` what it
reads, ``golden_outputs`` what it must say, ``golden_losses`` the program's losses and gradient norms. Each skips the
test where the files are missing.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from leap_avvp.models import VideoParser
from leap_avvp.released import load_released
from tests.parity.rule import GOLDEN, golden_state

_STD = {"audio": "audio", "video_2d": "video_2d", "video_3d": "video_3d"}
_STREAMS = {
    "valor": _STD,
    "valor_plus": _STD,
    "valor_plus_plus": {"audio": "audio_clap_map", "video_2d": "video_2d_clip", "video_3d": "video_3d"},
    "uwav": {"audio": "audio_std", "video_2d": "video_2d_std", "video_3d": "video_3d"},
    "uwav_clip_clap": _STD,
    "uwav_clip_clap_flag": {"audio": "audio", "video_2d": "video_2d"},
}
PEERS = tuple(_STREAMS)


def need_golden() -> None:
    if not (GOLDEN / "losses_peers.json").is_file():
        pytest.skip(f"the golden files of VALOR and UWAV are not at {GOLDEN}")


@functools.cache
def golden_inputs(model: str) -> dict[str, Tensor]:
    """Return all that stands in the inputs of a model's program: features, labels, logits."""
    need_golden()
    content = np.load(GOLDEN / f"inputs_{model.partition('_')[0]}.npz")
    return {name: torch.from_numpy(value) for name, value in content.items()}


def golden_features(model: str) -> dict[str, Tensor]:
    """Return what the parser reads."""
    inputs = golden_inputs(model)
    return {stream: inputs[name] for stream, name in _STREAMS[model].items()}


def golden_outputs(model: str) -> dict[str, Tensor]:
    need_golden()
    return {name: torch.from_numpy(value) for name, value in np.load(GOLDEN / f"{model}.outputs.npz").items()}


def golden_losses(model: str) -> dict[str, Any]:
    """Return ``loss``, ``total``, ``params``, ``grad_norm``, ``adam_1e-4_total_loss_per_step``, maybe ``terms``."""
    need_golden()
    return json.loads((GOLDEN / "losses_peers.json").read_text())[model]


def golden_parser(model: str) -> VideoParser:
    """Return a fresh parser with the golden weights, in eval mode."""
    need_golden()
    return load_released(golden_state(model))
