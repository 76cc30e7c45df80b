"""Label queries from simulated label embeddings: a part that two rooms which do not know each other make together."""

from __future__ import annotations

import torch

from leap_avvp.data.simulate import simulated_label_embedding
from leap_avvp.models import LabelQueries

__all__ = ["simulated_queries"]


def simulated_queries(embedding_dim: int = 300) -> LabelQueries:
    """Return label queries from simulated label embeddings: no word vectors, and nothing of GloVe in them."""
    embedding = torch.from_numpy(simulated_label_embedding())
    return LabelQueries(embedding, kind="simulated", embedding_dim=embedding_dim)
