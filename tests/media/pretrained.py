"""Which pretrained weights lie in this machine's cache, and marks for tests that need them."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.media.weights import WEIGHTS, cache_folder

VIDEO = Path(__file__).parents[3] / "shared" / "llp" / "video" / "BjCEufrlXm4.mp4"


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where weights are missing, saying how to get them."""
    missing = [name for name in names if WEIGHTS[name].absence(cache_folder()) is not None]
    return pytest.mark.skipif(bool(missing), reason=f"no weights: `leap-avvp weights get {' '.join(missing)}`")


needs_video = pytest.mark.skipif(not VIDEO.is_file(), reason=f"LLP's sample video is not at {VIDEO}")
