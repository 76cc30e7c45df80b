"""A simulator in LLP's shapes and label statistics; the default data source, because LLP's features are not public here.

Everything it yields is simulated, and no score on it can be compared with a published one.
"""

from leap_avvp.data.simulate.source import SimulatedLLP

__all__ = ["SimulatedLLP"]
