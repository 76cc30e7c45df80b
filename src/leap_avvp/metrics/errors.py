"""What kind of mistakes a parser makes: missed, invented, in the wrong modality, at the wrong time."""

from __future__ import annotations

import torch
from torch import Tensor

from leap_avvp.metrics.functional import validate_grids

__all__ = ["ERROR_KINDS", "error_counts"]

ERROR_KINDS = ("correct", "wrong_time", "wrong_modality", "invented", "missed")
"""In the order of the bars of a figure; the first four share out what was said, ``missed`` counts what was not."""


def error_counts(
    pred_audio: Tensor, pred_visual: Tensor, target_audio: Tensor, target_visual: Tensor
) -> dict[str, dict[str, int]]:
    """Return by modality how many (video, segment, class) cells are of each of :data:`ERROR_KINDS`.

    A cell that is said and true is ``correct``. One that is said and not true is ``wrong_modality`` where the class
    occurs just then in the other modality only, else ``wrong_time`` where it occurs in this modality at another segment
    of the video, else ``invented``. So a class that is only seen, yet said to be heard at a segment at which it is not
    even seen, is invented. ``missed`` is true and not said.

    Args:
        pred_audio: (B, T, C) boolean, what is predicted to be heard.
        pred_visual: (B, T, C) boolean, what is predicted to be seen.
        target_audio: (B, T, C) boolean truth.
        target_visual: (B, T, C) boolean truth.

    Raises:
        DataError: an argument that is not boolean, or has another shape or device than the first.
    """
    validate_grids(
        pred_audio=pred_audio, pred_visual=pred_visual, target_audio=target_audio, target_visual=target_visual
    )
    counts = {}
    for name, said, true, other in (
        ("audio", pred_audio, target_audio, target_visual),
        ("visual", pred_visual, target_visual, target_audio),
    ):
        wrong = said & ~true
        across = wrong & other
        early_or_late = wrong & ~other & true.any(dim=1, keepdim=True)
        kinds = (said & true, early_or_late, across, wrong & ~across & ~early_or_late, true & ~said)
        totals = torch.stack([kind.sum() for kind in kinds]).tolist()
        counts[name] = dict(zip(ERROR_KINDS, (int(total) for total in totals), strict=True))
    return counts
