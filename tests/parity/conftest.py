"""Golden files of the released programs, kept beside the repository."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "parity" / "reference_s0"
MODELS = (
    "han-mmil",
    "mm_pyramid-mmil",
    "mm_pyramid-leap-1blocks",
    "mm_pyramid-leap-2blocks",
    "mm_pyramid-leap-3blocks",
)


class Golden:
    """Inputs, outputs, losses and (rule-made) weights of one released model."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.inputs = {name: torch.from_numpy(value) for name, value in np.load(GOLDEN / "inputs.npz").items()}
        self.outputs = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / f"{model}.outputs.npz").items()}
        self.losses: dict[str, Any] = json.loads((GOLDEN / "losses.json").read_text())[model]

    @property
    def features(self) -> dict[str, torch.Tensor]:
        return {name: self.inputs[name] for name in ("audio", "video_2d", "video_3d")}

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Weights by the rule of the golden files' own description."""
        shapes = json.loads((GOLDEN / f"{self.model}.shapes.json").read_text())
        return {name: self._weight(name, shape) for name, shape in shapes.items()}

    @staticmethod
    def _weight(name: str, shape: list[int]) -> torch.Tensor:
        canonical = name.replace(".net.0.", ".conv1.").replace(".net.2.", ".conv2.")
        z = np.random.default_rng(zlib.crc32(canonical.encode())).standard_normal(shape).astype(np.float32)
        if len(shape) == 1:
            is_scale = name.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
            return torch.from_numpy((1 + 0.1 * z if is_scale else 0.1 * z).astype(np.float32))
        return torch.from_numpy((0.5 * z / np.sqrt(np.prod(shape[1:]))).astype(np.float32))


@pytest.fixture(scope="module", params=MODELS)
def golden(request: pytest.FixtureRequest) -> Golden:
    if not GOLDEN.is_dir():
        pytest.skip(f"the golden files of the released programs are not at {GOLDEN}")
    return Golden(request.param)
