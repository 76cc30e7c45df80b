"""A training loss that is put together in a config: a weighted sum of named terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from leap_avvp.errors import ConfigError
from leap_avvp.losses.base import TrainingLoss
from leap_avvp.losses.relabelling import Relabelling
from leap_avvp.losses.terms import Step, Term

__all__ = ["SumOfTerms"]


class SumOfTerms(TrainingLoss):
    """``total = sum over terms of weight x term``, computed in the order in which they are named.

    Args:
        terms: by name, as each is logged.
        relabel: what changes the targets of a batch before the terms look at them; None for nothing.

    Raises:
        ConfigError: naming the term, or the key of its argument.
    """

    def __init__(self, terms: Mapping[str, Term], relabel: Relabelling | None = None) -> None:
        if not isinstance(terms, Mapping) or not terms:
            raise ConfigError(f"loss.terms: expected the terms of the loss by their names, found {terms!r}")
        for name, term in terms.items():
            if not isinstance(term, Term) or name == "total":
                found = "the name of the sum" if name == "total" else type(term).__name__
                raise ConfigError(f"loss.terms.{name}: expected a term of a loss, found {found}")
            term.check(f"loss.terms.{name}")
        if relabel is not None:
            if not isinstance(relabel, Relabelling):
                raise ConfigError(f"loss.relabel: expected a relabelling or null, found {type(relabel).__name__}")
            relabel.check("loss.relabel")
        self.terms = dict(terms)
        self.relabelling = relabel

    def prepare(self, targets: Iterable[Mapping[str, Tensor]]) -> None:
        """Let each term, and what relabels, look at the targets of the training split."""
        for term in self.terms.values():
            term.prepare(targets)
        if self.relabelling is not None:
            self.relabelling.prepare(targets)

    def relabel(self, batch: Mapping[str, Tensor], parser: Any) -> Mapping[str, Tensor]:
        """Return the batch with the targets to be trained on."""
        return batch if self.relabelling is None else self.relabelling(batch, parser, self.progress)

    def __call__(self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor], parser: Any = None) -> dict[str, Tensor]:
        """Return the unweighted terms and the weighted ``total``, see :class:`TrainingLoss`.

        Raises:
            ConfigError: a term needs what is not there.
        """
        step = Step(out, batch, parser)
        values = {name: term(step) for name, term in self.terms.items()}
        total: Tensor | None = None
        for name, value in values.items():
            weighted = self.terms[name].weight * value
            total = weighted if total is None else total + weighted
        assert total is not None
        return values | {"total": total}
