"""Two small finished runs, trained once for all tests of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.cli import main

_SMALL = (
    *(
        "encoder=han",
        "encoder.dim=32",
        "encoder.feed_forward_dim=32",
        "decoder.dim=32",
        "data.batch_size=8",
        "trainer=cpu",
    ),
    *("data.num_train=24", "data.num_val=8", "data.num_test=12", "data.schedule.max_epochs=2", "logger=csv"),
)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of a LEAP and an MMIL run."""
    root = tmp_path_factory.mktemp("runs")
    leap = ("decoder.num_heads=4", "decoder.feed_forward_dim=32")
    for name, words in (("leap", leap), ("mmil", ("decoder=mmil",))):
        assert main(["train", *_SMALL, *words, f"hydra.run.dir={root / name}"]) == 0
    return {name: root / name for name in ("leap", "mmil")}
