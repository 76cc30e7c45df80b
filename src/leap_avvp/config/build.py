"""From a composed config to the parts of a run. Only names of trusted packages are ever instantiated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from leap_avvp.config.compose import config_hash, plain
from leap_avvp.config.trust import TRUST_VARIABLE, check_targets
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.data.simulate import simulated_label_embedding
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import LabelQueries, VideoParser
from leap_avvp.training.interrupts import StopSignals
from leap_avvp.training.module import ParsingModule

__all__ = [
    "TRUST_VARIABLE",
    "build_callbacks",
    "build_data",
    "build_logger",
    "build_module",
    "build_parser",
    "build_part",
    "build_protocol",
    "check_targets",
    "simulated_queries",
]


def build_part(node: DictConfig | Mapping[str, Any], path: str, *args: Any, **kwargs: Any) -> Any:
    """Instantiate one node of a config.

    Raises:
        LeapError: the part's own complaint, or one line that names the node and what is wrong with its keys.
    """
    content = OmegaConf.to_container(node, resolve=True) if isinstance(node, DictConfig) else dict(node)
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


def simulated_queries(embedding_dim: int = 300) -> LabelQueries:
    """Return label queries from simulated label embeddings: no word vectors, and nothing of GloVe in them."""
    embedding = torch.from_numpy(simulated_label_embedding())
    return LabelQueries(embedding, kind="simulated", embedding_dim=embedding_dim)


def build_parser(config: DictConfig, label_embedding: Tensor | None = None) -> VideoParser:
    """Build encoder, decoder and front end.

    Args:
        config: with ``encoder`` and ``decoder``.
        label_embedding: (C, E) used in place of the configured one, as when a checkpoint brings its own.
    """
    encoder = _checked(build_part(config.encoder, "encoder"), nn.Module, "encoder")
    decoder_node = OmegaConf.to_container(config.decoder, resolve=True)
    assert isinstance(decoder_node, dict)
    queries_node = decoder_node.pop("label_queries", None)
    if queries_node is None:
        decoder = build_part(decoder_node, "decoder")  # type: ignore[arg-type]
    else:
        if label_embedding is None:
            queries = build_part(queries_node, "label_embedding")
        else:
            width = label_embedding.shape[-1] if label_embedding.dim() else 0
            queries = LabelQueries(label_embedding, kind="checkpoint", embedding_dim=width)
        # Passed as a partial: Hydra would otherwise try to copy the module into its own config.
        decoder_node["_partial_"] = True
        decoder = build_part(decoder_node, "decoder")(label_queries=queries)  # type: ignore[arg-type]
    return VideoParser(encoder, _checked(decoder, nn.Module, "decoder"))


def build_data(config: DictConfig) -> LLPDataModule:
    """Build the data module; its training order follows the run's seed."""
    node = OmegaConf.to_container(config.data, resolve=True)
    assert isinstance(node, dict)
    node.pop("schedule", None)
    data: LLPDataModule = _checked(build_part(node, "data", seed=int(config.seed)), LLPDataModule, "data")  # type: ignore[arg-type]
    return data


def build_protocol(config: DictConfig) -> Protocol:
    """Build the evaluation protocol."""
    protocol: Protocol = _checked(build_part(config.protocol, "protocol"), Protocol, "protocol")
    return protocol


def build_module(config: DictConfig) -> ParsingModule:
    """Build parser, loss, protocol, optimizer and schedule."""
    loss: ParsingLoss = build_part(config.loss, "loss")
    optimizer = build_part(config.optimizer, "optimizer")
    scheduler = build_part(config.scheduler, "scheduler") if config.scheduler.get("_target_") else None
    return ParsingModule(
        build_parser(config), loss, build_protocol(config), optimizer, scheduler, seed=int(config.seed)
    )


def build_logger(config: DictConfig, output_dir: str) -> Any:
    """Build the logger, or False for none."""
    if not config.logger.get("_target_"):
        return False
    # A logger of one's own gets what Lightning's take; ours also tie a run to its configuration.
    own = str(config.logger["_target_"]).startswith("leap_avvp.")
    extra = {"config_hash": config_hash(config)} if own else {}
    return build_part(config.logger, "logger", save_dir=output_dir, **extra)


def build_callbacks(config: DictConfig, checkpoint_dir: str, signals: StopSignals | None = None) -> list[Any]:
    """Build the callbacks of the group ``callbacks``: checkpoints, progress and whatever else it names.

    ``signals`` end the run after a step, its state saved.
    """
    from leap_avvp.training.callbacks import BestCheckpoint, LastCheckpoint, progress

    node = dict(plain(config)["callbacks"])
    built: list[Any] = [
        BestCheckpoint(checkpoint_dir, node.pop("monitor"), node.pop("mode")),
        LastCheckpoint(checkpoint_dir, node.pop("checkpoint_every_n_steps", None), signals),
        *progress(node.pop("progress")),
    ]
    node.pop("keep_last", None)
    for name, part in node.items():
        if isinstance(part, Mapping) and "_target_" in part:
            built.append(build_part(part, f"callbacks.{name}"))
    return built
