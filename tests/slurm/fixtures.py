"""A Slurm of one node for tests: ``from tests.slurm.fixtures import slurm_cluster  # noqa: F401`` in a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.slurm.cluster import SlurmCluster, absence, started

__all__ = ["slurm_cluster"]


@pytest.fixture(scope="session")
def _slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    why = absence()
    if why is not None:
        pytest.skip(why)
    with started(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def slurm_cluster(_slurm: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> SlurmCluster:
    """Return a cluster of two CPUs that this process, and those that it starts, use."""
    for name, value in _slurm.environment.items():
        monkeypatch.setenv(name, value)
    return _slurm
