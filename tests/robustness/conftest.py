"""What every test of bad input needs: the command run in this process, and its one line of complaint."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from leap_avvp.cli import main
from leap_avvp.errors import LeapError

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return ``refused(*words)``: runs the command, which must end in one line and exit code 2."""

    def run(*words: object) -> str:
        capsys.readouterr()
        code = main([str(word) for word in words])
        lines = capsys.readouterr().err.strip().splitlines()
        assert code == 2, lines
        assert [line[:7] for line in lines] == ["error: "], lines
        assert len(lines[0]) < 2_000
        return lines[0]

    return run


@pytest.fixture
def taken() -> Callable[..., Any]:
    """Return ``taken(path, read, *arguments)``: what ``read`` returns, or None if it names the path in one line."""

    def run(path: Path, read: Callable[..., Any], *arguments: Any, errors: Sequence[type[Exception]] = ()) -> Any:
        try:
            return read(*arguments)
        except (LeapError, *errors) as error:
            said = str(error)
        assert str(path) in said
        assert len(said.splitlines()) == 1
        assert len(said) < 2_000
        return None

    return run


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.proof),)


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """Return a path that exists only if a payload ran."""
    return tmp_path / "payload-ran"


@pytest.fixture
def payload(proof: Path) -> Payload:
    """Return an object that makes :func:`proof` when it is unpickled."""
    return Payload(proof)
