"""From a plain config to the parts of a run. Only names of trusted packages are ever instantiated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from leap_avvp.config.trust import check_targets
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import LabelQueries, VideoParser

__all__ = ["Parts", "build_part"]

_NOT_LIGHTNINGS = ("compile", "matmul_precision")  # keys of `trainer` that this package reads itself


def build_part(node: Mapping[str, Any], path: str, *args: Any, **kwargs: Any) -> Any:
    """Instantiate one plain node of a config.

    Raises:
        LeapError: the part's own complaint, or one line that names the node and what is wrong with its keys.
    """
    content = dict(node)
    check_targets(content, path)
    try:
        return instantiate(content, *args, _convert_="all", **kwargs)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
            if isinstance(cause, LeapError):
                raise cause from error
        raise ConfigError(f"{path}: {(str(cause).splitlines() or ['?'])[0]}") from error


def _checked(part: Any, kind: type[Any], path: str) -> Any:
    """Return ``part`` if it is what its place in the run needs: a config may name any trusted class.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(part, kind) or (kind is nn.Module and not isinstance(getattr(part, "dim", None), int)):
        what = "a module with its width as `dim`" if kind is nn.Module else f"a {kind.__name__}"
        raise ConfigError(f"{path}: expected {what}, found {type(part).__name__}; mend {path}._target_")
    return part


@dataclasses.dataclass(frozen=True)
class Parts:
    """The parts that a config names, each built when it is asked for: what draws random numbers waits for the seed."""

    content: Mapping[str, Any]
    """The whole config: plain dicts, lists and scalars, every reference resolved."""

    def parser(self, label_embedding: Tensor | None = None) -> VideoParser:
        """Build encoder, decoder and front end.

        Args:
            label_embedding: (C, E) used in place of the configured one, as when a checkpoint brings its own.
        """
        encoder = _checked(build_part(self.content["encoder"], "encoder"), nn.Module, "encoder")
        node = dict(self.content["decoder"])
        queries_node = node.pop("label_queries", None)
        if queries_node is None:
            decoder = build_part(node, "decoder")
        else:
            if label_embedding is None:
                queries = build_part(queries_node, "label_embedding")
            else:
                width = label_embedding.shape[-1] if label_embedding.dim() else 0
                queries = LabelQueries(label_embedding, kind="checkpoint", embedding_dim=width)
            # Passed as a partial: Hydra would otherwise try to copy the module into its own config.
            make = build_part({**node, "_partial_": True}, "decoder")
            try:
                decoder = make(label_queries=queries)
            except TypeError as error:  # a key that the decoder does not take
                raise ConfigError(f"decoder: {(str(error).splitlines() or ['?'])[0]}") from error
        return VideoParser(encoder, _checked(decoder, nn.Module, "decoder"))

    def loss(self) -> ParsingLoss:
        """Build the training loss."""
        loss: ParsingLoss = build_part(self.content["loss"], "loss")
        return loss

    def protocol(self) -> Protocol:
        """Build the evaluation protocol."""
        protocol: Protocol = _checked(build_part(self.content["protocol"], "protocol"), Protocol, "protocol")
        return protocol

    def optimizer(self) -> Callable[[Iterable[Parameter]], Optimizer]:
        """Return what makes an optimizer of parameters."""
        make: Callable[[Iterable[Parameter]], Optimizer] = build_part(self.content["optimizer"], "optimizer")
        return make

    def scheduler(self) -> Callable[..., LRScheduler] | None:
        """Return what makes a schedule of an optimizer, or None for a constant rate."""
        node = self.content.get("scheduler") or {}
        return build_part(node, "scheduler") if node.get("_target_") else None

    def data(self) -> LLPDataModule:
        """Build the data module; its training order follows the run's seed."""
        node = {key: value for key, value in self.content["data"].items() if key != "schedule"}
        data: LLPDataModule = _checked(build_part(node, "data", seed=int(self.content["seed"])), LLPDataModule, "data")
        return data

    def logger(self, save_dir: str, config_hash: str) -> Any:
        """Build the logger, or return False for none."""
        node = self.content.get("logger") or {}
        if not node.get("_target_"):
            return False
        # A logger of one's own gets what Lightning's take; ours also tie a run to its configuration.
        extra = {"config_hash": config_hash} if str(node["_target_"]).startswith("leap_avvp.") else {}
        return build_part(node, "logger", save_dir=save_dir, **extra)

    def callbacks(self) -> list[Any]:
        """Build the callbacks that the config adds to a run's own."""
        named = self.content.get("callbacks") or {}
        return [
            build_part(node, f"callbacks.{name}")
            for name, node in named.items()
            if isinstance(node, Mapping) and "_target_" in node
        ]

    def trainer(self, **settings: Any) -> Any:
        """Build Lightning's trainer.

        Args:
            settings: what the run adds: its folder, logger, callbacks and plugins.
        """
        node = {key: value for key, value in self.content["trainer"].items() if key not in _NOT_LIGHTNINGS}
        return build_part(node, "trainer", **settings)
