"""Label queries: one embedding a class, read from a file or learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leap_avvp.errors import DataError
from leap_avvp.llp import EMBEDDING_DIM, NUM_CLASSES
from leap_avvp.models.arguments import check_whole

__all__ = ["LabelQueries"]

# GloVe's 300-d vectors of LLP's class names have components of about this size; learned queries start there too.
_COMPONENT_STD = 0.4


class LabelQueries(nn.Module):
    """The (C, E) embeddings that LEAP's decoder starts from.

    Args:
        embedding: (C, E) fixed vectors, or None for learned ones.
        kind: what they are (``glove``, ``simulated``, ``learnable``, ...), for reports.

    Raises:
        ConfigError: a size that is no whole number of at least 1, by its key.
        DataError: ``embedding`` has another shape or holds NaN or Inf.
    """

    embedding: Tensor

    def __init__(
        self,
        embedding: Tensor | None = None,
        kind: str | None = None,
        num_classes: int = NUM_CLASSES,
        embedding_dim: int = EMBEDDING_DIM,
    ) -> None:
        super().__init__()
        self.kind = kind or ("learnable" if embedding is None else "fixed")
        if embedding is None:
            check_whole("label_embedding.num_classes", num_classes)
            check_whole("label_embedding.embedding_dim", embedding_dim)
            self.embedding = nn.Parameter(_COMPONENT_STD * torch.randn(num_classes, embedding_dim))
            return
        if embedding.shape != (num_classes, embedding_dim):
            raise DataError(
                f"label embedding: expected ({num_classes}, {embedding_dim}), one vector a class, "
                f"found shape {tuple(embedding.shape)}"
            )
        if not torch.isfinite(embedding).all():
            raise DataError("label embedding: expected finite numbers, found NaN or Inf")
        self.register_buffer("embedding", embedding.detach().to(torch.float32).clone())

    @property
    def embedding_dim(self) -> int:
        """E."""
        return self.embedding.shape[1]

    @property
    def learned(self) -> bool:
        """Whether training changes the embeddings."""
        return isinstance(self.embedding, nn.Parameter)

    def forward(self) -> Tensor:
        """Return (C, E)."""
        return self.embedding
