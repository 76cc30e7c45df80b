"""The folder of an example, from which its programs import one another, and what they need of the machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

OWN_VIDEOS = Path(__file__).resolve().parents[2] / "examples" / "own_videos"


@pytest.fixture(scope="session")
def own_videos() -> Iterator[Path]:
    """Make the programs of examples/own_videos importable, as they are to one another."""
    sys.path.insert(0, str(OWN_VIDEOS))
    yield OWN_VIDEOS
    sys.path.remove(str(OWN_VIDEOS))


@pytest.fixture(scope="session")
def recordings(own_videos: Path) -> Path:
    """Return the folder of Debian's recordings."""
    pytest.importorskip("av", reason="clips are written by PyAV: pip install 'leap-avvp[media]'")
    pytest.importorskip("PIL", reason="pictures are read by Pillow")
    import sources

    absent = sources.missing()
    if absent is not None:
        pytest.skip(absent)
    return sources.FOLDER
