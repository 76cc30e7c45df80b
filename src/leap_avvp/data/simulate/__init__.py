"""A simulator of LLP, or of any data card and feature set: the data source for those who do not have the features.

Everything it yields is simulated, and no score on it can be compared with a published one.
"""

from leap_avvp.data.simulate.export import write_llp_folder
from leap_avvp.data.simulate.source import SimulatedLLP
from leap_avvp.data.simulate.world import simulated_label_embedding

__all__ = ["SimulatedLLP", "simulated_label_embedding", "write_llp_folder"]
