"""How sure a difference between two rows of a study is: the bootstrap of the scores of videos."""

from leap_avvp.scoring.bootstrap import RESAMPLES, Difference, paired_bootstrap

__all__ = ["RESAMPLES", "Difference", "paired_bootstrap"]
