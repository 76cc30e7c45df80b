"""Weights of older checkpoints: their names, as the modules call them now."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["renamed_weights"]


def renamed_weights(module: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``state`` with the names that ``module`` gives its tensors now; ``load_state_dict`` needs no such help.

    A part whose names have changed says so in ``rename_older(state, prefix)``, which renames in place.

    Args:
        module: a parser, or a part of one.
        state: a state dict of it, maybe from an older version.
    """
    found = dict(state)
    for path, part in module.named_modules():
        rename = getattr(part, "rename_older", None)
        if rename is not None:
            rename(found, f"{path}." if path else "")
    return found
