"""A simulator in LLP's shapes and label statistics: the data source for those who do not have LLP's features.

Everything it yields is simulated, and no score on it can be compared with a published one.
"""

from leap_avvp.data.simulate.export import write_llp_folder
from leap_avvp.data.simulate.features import simulated_label_embedding
from leap_avvp.data.simulate.source import SimulatedLLP

__all__ = ["SimulatedLLP", "simulated_label_embedding", "write_llp_folder"]
