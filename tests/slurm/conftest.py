"""The cluster for the tests of this folder."""

from __future__ import annotations

from tests.slurm.fixtures import _slurm, slurm_cluster  # noqa: F401
