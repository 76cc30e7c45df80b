"""What every training loss is: unweighted terms and their total, with a word in what the targets are."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

__all__ = ["TrainingLoss"]


class TrainingLoss(abc.ABC):
    """A loss of a parser's output and a batch's targets. A new one fills in ``__call__``, and the rest if need be."""

    progress: float = 0.0
    """Epochs done, a fraction within an epoch; set before each training step."""

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:  # noqa: B027
        """Look at all targets of the training split, before the first step, of a resumed run too.

        Args:
            targets: N videos at a time, which may be gone through more than once: those of ``video_label`` (N, C),
                ``segment_audio`` and ``segment_visual`` (N, T, C), and ``video_audio`` and ``video_visual`` (N, C) that
                the split has.
        """

    def relabel(self, batch: Mapping[str, Tensor], parser: Any) -> Mapping[str, Tensor]:
        """Return a batch with the targets to be trained on; the given one is left as it is.

        Called before each training step, outside what is compiled.

        Args:
            batch: features and targets.
            parser: the :class:`~leap_avvp.models.VideoParser` in training.
        """
        return batch

    @abc.abstractmethod
    def __call__(self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor], parser: Any = None) -> dict[str, Tensor]:
        """Return the unweighted terms, by their names, and the weighted ``total``, all scalars.

        Args:
            out: a :class:`~leap_avvp.types.ParserOutput`, or a mapping with its fields.
            batch: features and targets, as :meth:`relabel` returns them.
            parser: that gave ``out``, for terms that decode once more.
        """
