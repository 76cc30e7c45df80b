"""Runs ``leap-avvp`` with networks that are none: ``python fake_extract.py CACHE extract ...``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from leap_avvp.cli import main
from tests.media.fakes import install

if __name__ == "__main__":
    install(pytest.MonkeyPatch(), Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
