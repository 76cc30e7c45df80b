"""Training losses: LEAP's, and sums of terms that a config puts together, for any encoder and decoder."""

from leap_avvp.losses.alignment import NORMALISERS, alignment_loss, event_overlap
from leap_avvp.losses.balance import FixedBalance, FrequencyBalance
from leap_avvp.losses.base import TrainingLoss
from leap_avvp.losses.class_features import CooccurrenceTerm, OrthogonalityTerm, ReconstructionTerm
from leap_avvp.losses.contrast import SameSecondTerm
from leap_avvp.losses.denoise import RemoveNoisyLabels
from leap_avvp.losses.entropy import binary_cross_entropy
from leap_avvp.losses.mixup import MixupTerm
from leap_avvp.losses.parsing import ParsingLoss
from leap_avvp.losses.relabelling import Relabelling
from leap_avvp.losses.sums import SumOfTerms
from leap_avvp.losses.terms import AlignmentTerm, SegmentTerm, Step, Term, VideoTerm

__all__ = [
    "NORMALISERS",
    "AlignmentTerm",
    "CooccurrenceTerm",
    "FixedBalance",
    "FrequencyBalance",
    "MixupTerm",
    "OrthogonalityTerm",
    "ParsingLoss",
    "ReconstructionTerm",
    "Relabelling",
    "RemoveNoisyLabels",
    "SameSecondTerm",
    "SegmentTerm",
    "Step",
    "SumOfTerms",
    "Term",
    "TrainingLoss",
    "VideoTerm",
    "alignment_loss",
    "binary_cross_entropy",
    "event_overlap",
]
