"""From a plain config to the parts of a run. Only names of trusted packages are ever instantiated."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from leap_avvp.card import DataCard
from leap_avvp.config.arguments import check_arguments, check_nested, takes, wrong_arguments
from leap_avvp.config.cards import card_in
from leap_avvp.config.hashing import LINEAR_FRONTEND
from leap_avvp.config.trust import check_targets, locate
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.losses import TrainingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import LabelQueries, VideoParser
from leap_avvp.models.frontend import StreamFrontend

__all__ = ["Maker", "Parts", "build_part"]

_NAMES = {nn.Module: "a module with its width as `dim`", StreamFrontend: "a front end, as leap_avvp.models.Frontend"}
_NOT_LIGHTNINGS = ("compile", "matmul_precision")  # keys of `trainer` that this package reads itself


def build_part(node: Mapping[str, Any], path: str, *args: Any, **kwargs: Any) -> Any:
    """Instantiate one plain node of a config.

    Raises:
        LeapError: the part's own complaint, or one line that names the node and what is wrong with its keys.
    """
    content = dict(node)
    _check_named(content, path)
    if not content.get("_partial_"):
        check_arguments(content, path, len(args), kwargs)
    check_nested(content, path)
    try:
        return instantiate(content, *args, _convert_="all", **kwargs)
    except InstantiationException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
            if isinstance(cause, LeapError):
                raise cause from error
        raise ConfigError(f"{path}: {(str(cause).splitlines() or ['?'])[0]}") from error


def _check_named(node: Mapping[str, Any], path: str) -> None:
    check_targets(node, path)
    if node.get("_target_") is None:
        raise ConfigError(f"{path}._target_: expected the name of a class or function, found none")


@dataclasses.dataclass(frozen=True)
class Maker:
    """What makes a part once its first arguments are known, as an optimizer of parameters."""

    func: Callable[..., Any]
    """What the config names."""
    node: Mapping[str, Any]
    path: str
    kind: type[Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make it.

        Raises:
            ConfigError: naming the node, its arguments, and what is wrong with them.
        """
        make = build_part({**self.node, "_partial_": True}, self.path)
        with wrong_arguments(self.node, self.path):
            return _checked(make(*args, **kwargs), self.kind, self.path)


def _checked(part: Any, kind: type[Any], path: str) -> Any:
    """Return ``part`` if it is what its place in the run needs: a config may name any trusted class.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(part, kind) or (kind is nn.Module and not isinstance(getattr(part, "dim", None), int)):
        what = _NAMES.get(kind, f"a {kind.__name__}")
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
        encoder = _checked(self._sized("encoder"), nn.Module, "encoder")
        node = dict(self._group("decoder"))
        queries_node = node.pop("label_queries", None)
        if queries_node is None:
            decoder = build_part(node, "decoder", **self._of_card(node))
        else:
            if label_embedding is None:
                queries = build_part(queries_node, "label_embedding", **self._of_card(queries_node))
            else:
                number, width = label_embedding.shape if label_embedding.dim() == 2 else (0, 0)
                queries = LabelQueries(label_embedding, kind="checkpoint", num_classes=number, embedding_dim=width)
            # Not through Hydra, which would try to copy the module into its own config.
            check_targets(node, "decoder")
            check_arguments(node, "decoder", named=("label_queries",))
            make = build_part({**node, "_partial_": True}, "decoder")
            with wrong_arguments(node, "decoder"):
                decoder = make(label_queries=queries)
        _checked(decoder, nn.Module, "decoder")
        return VideoParser(encoder, decoder, self._frontend(int(encoder.dim)))

    def _frontend(self, dim: int) -> StreamFrontend:
        node = self._group("frontend") if "frontend" in self.content else LINEAR_FRONTEND
        given = {"dim": dim, "features": self.card.features, "num_segments": self.card.segments}
        _check_named(node, "frontend")
        check_arguments(node, "frontend", named=tuple(given))
        # Not through Hydra, which would take the features for a config.
        make = build_part({**node, "_partial_": True}, "frontend")
        with wrong_arguments(node, "frontend"):
            frontend: StreamFrontend = _checked(make(**given), StreamFrontend, "frontend")
        return frontend

    @functools.cached_property
    def card(self) -> DataCard:
        """Classes, segments and features of the data."""
        return card_in(self.content)

    def _sized(self, name: str) -> Any:
        """Build a part of the model, told what of the card its class asks for."""
        node = self._group(name)
        return build_part(node, name, **self._of_card(node))

    def _of_card(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of the card a node's class asks for by these names, unless the config says it."""
        card = self.card
        known = {"num_classes": card.num_classes, "num_segments": card.segments, "classes": list(card.classes)}
        return {name: value for name, value in known.items() if name not in node and takes(node, name)}

    def loss(self) -> TrainingLoss:
        """Build the training loss."""
        loss: TrainingLoss = _checked(build_part(self._group("loss"), "loss"), TrainingLoss, "loss")
        return loss

    def protocol(self) -> Protocol:
        """Build the evaluation protocol."""
        protocol: Protocol = _checked(build_part(self._group("protocol"), "protocol"), Protocol, "protocol")
        return protocol

    def optimizer(self) -> Maker:
        """Return what makes an optimizer of parameters."""
        return self._maker("optimizer", Optimizer)

    def scheduler(self) -> Maker | None:
        """Return what makes a schedule of an optimizer, or None for a rate that is constant or waits for scores."""
        maker = self._schedule()
        return None if maker is None or maker.func is ReduceLROnPlateau else maker

    def plateau(self) -> Maker | None:
        """Return what makes a ``ReduceLROnPlateau`` of an optimizer, in the mode of the score that picks the epoch."""
        maker = self._schedule()
        if maker is None or maker.func is not ReduceLROnPlateau:
            return None
        return dataclasses.replace(maker, node={"mode": self.content["callbacks"]["mode"], **maker.node})

    def _schedule(self) -> Maker | None:
        node = self.content.get("scheduler")
        none = not node or node.get("_target_", "") is None  # as scheduler=none says it
        return None if none else self._maker("scheduler", LRScheduler)

    def _maker(self, path: str, kind: type[Any]) -> Maker:
        node = self._group(path)
        check_targets(node, path)
        if node.get("_target_") is None:
            raise ConfigError(f"{path}._target_: expected the name of a class, found none; choose an option of {path}")
        func = locate(str(node["_target_"]))
        in_steps = getattr(func, "interval", "epoch") == "step"
        check_arguments(node, path, 1, ("total_steps",) if kind is LRScheduler and in_steps else ())
        return Maker(func, node, path, kind)

    def _group(self, name: str) -> Mapping[str, Any]:
        node = self.content.get(name)
        if not isinstance(node, Mapping):
            raise ConfigError(f"{name}: expected a group of the config, found {str(node)[:80]!r}; choose an option")
        return node

    def data(self) -> LLPDataModule:
        """Build the data module; its training order follows the run's seed."""
        node = {key: value for key, value in self._group("data").items() if key not in ("schedule", "card")}
        given: dict[str, Any] = {"seed": int(self.content["seed"])}
        if takes(node, "card"):
            given["card"] = self.card
        # Not through Hydra, which would take the card for a config.
        _check_named(node, "data")
        check_arguments(node, "data", named=tuple(given))
        make = build_part({**node, "_partial_": True}, "data")
        with wrong_arguments(node, "data"):
            data: LLPDataModule = _checked(make(**given), LLPDataModule, "data")
        data.same_batches = bool((self.content.get("trainer") or {}).get("overfit_batches"))
        return data

    def logger(self, save_dir: str, config_hash: str) -> Any:
        """Build the logger, or return False for none."""
        node = self.content.get("logger") or {}
        if not node.get("_target_"):
            return False
        # A logger of one's own gets what Lightning's take; ours also tie a run to its configuration.
        extra = {"config_hash": config_hash} if str(node["_target_"]).startswith("leap_avvp.") else {}
        return build_part(node, "logger", save_dir=save_dir, **extra)

    def callbacks(self) -> list[Callback]:
        """Build the callbacks that the config adds to a run's own."""
        nodes = self.callback_nodes()
        return [_checked(build_part(node, path), Callback, path) for path, node in nodes.items()]

    def callback_nodes(self) -> dict[str, Mapping[str, Any]]:
        """Return the nodes of these callbacks by their paths."""
        named = (self.content.get("callbacks") or {}).items()
        return {f"callbacks.{name}": node for name, node in named if isinstance(node, Mapping) and "_target_" in node}

    def trainer(self, **settings: Any) -> Any:
        """Build Lightning's trainer.

        Args:
            settings: what the run adds: its folder, logger, callbacks and plugins.
        """
        node = {key: value for key, value in self._group("trainer").items() if key not in _NOT_LIGHTNINGS}
        # Lightning would put a sampler of its own in place of ours, which gives whole batches.
        batches = node.pop("overfit_batches", None)
        if batches:
            node |= {"limit_train_batches": batches, "limit_val_batches": batches}
        return build_part(node, "trainer", **settings)
