"""Data: annotations, the real files, the simulator, and the LightningDataModule over both."""

from leap_avvp.data.annotations import SplitAnnotations, read_annotations, write_annotations
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.simulate import SimulatedLLP
from leap_avvp.data.split import DataSource, SplitData

__all__ = [
    "DataSource",
    "LLPDataModule",
    "LLPFolder",
    "SimulatedLLP",
    "SplitAnnotations",
    "SplitData",
    "read_annotations",
    "write_annotations",
]
