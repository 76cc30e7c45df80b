"""Golden files of the released programs, kept beside the repository."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from tests.parity.rule import GOLDEN, golden_state, golden_weight

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
        return golden_state(self.model)

    _weight = staticmethod(golden_weight)


@pytest.fixture(scope="module", params=MODELS)
def golden(request: pytest.FixtureRequest) -> Golden:
    if not GOLDEN.is_dir():
        pytest.skip(f"the golden files of the released programs are not at {GOLDEN}")
    return Golden(request.param)
