"""Label queries from simulated label embeddings: a part that two rooms which do not know each other make together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from leap_avvp.data.simulate import simulated_label_embedding
from leap_avvp.llp import CLASSES
from leap_avvp.models import LabelQueries

__all__ = ["simulated_queries"]


def simulated_queries(embedding_dim: int = 300, classes: Sequence[str] = CLASSES) -> LabelQueries:
    """Return label queries from simulated label embeddings: no word vectors, and nothing of GloVe in them."""
    embedding = torch.from_numpy(simulated_label_embedding(tuple(classes)))
    return LabelQueries(embedding, kind="simulated", num_classes=len(classes), embedding_dim=embedding_dim)
