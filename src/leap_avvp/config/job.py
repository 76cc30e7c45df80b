"""A composed config on its way into a run: checked and hashed once, then plain values and parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.config.build import Parts
from leap_avvp.config.compose import check_types, plain
from leap_avvp.config.elsewhere import DATA_KEYS
from leap_avvp.config.explain import explain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.older import renamed
from leap_avvp.errors import ConfigError, DataError, check_choice

__all__ = ["MODEL_GROUPS", "EvaluationJob", "TrainingJob", "check_model", "evaluation_job", "training_job"]

MODEL_GROUPS = ("encoder", "decoder", "label_embedding")
"""The groups of a config that make the parser."""
MATMUL_PRECISIONS = ("highest", "high", "medium")


@dataclasses.dataclass(frozen=True)
class TrainingJob:
    """What one training run needs."""

    parts: Parts
    config_hash: str
    output_dir: Path
    seed: int
    resume: bool
    """Go on from what the folder holds of this configuration."""
    overwrite: bool
    """Remove what the folder holds of another run."""
    init_from: Path | None
    """A checkpoint, or the folder of a run, whose weights are the start."""
    init_parts: tuple[str, ...]
    """The parts of the parser that take them; none stands for all, and nothing else in the file."""
    evaluate_untrained: bool
    keep_last: bool
    monitor: str
    """The score that picks the epoch."""
    mode: str
    checkpoint_every_n_steps: int | None
    progress: str
    compile: bool
    matmul_precision: str
    records: Mapping[str, str]
    """What the command line was, by file names, for whoever wants to repeat it."""

    @property
    def content(self) -> Mapping[str, Any]:
        """The whole config, plain."""
        return self.parts.content


@dataclasses.dataclass(frozen=True)
class EvaluationJob:
    """What scoring a checkpoint needs; the model, and the data unless named, are the checkpoint's own."""

    content: Mapping[str, Any]
    overrides: tuple[str, ...]
    """What the command line named, which decides between the checkpoint's parts and the composed ones."""
    checkpoint: Path
    output_dir: Path
    overwrite: bool
    """Remove what the folder holds of another evaluation."""
    split: str
    matmul_precision: str
    records: Mapping[str, str]
    """What the command line was, by file names, for whoever wants to repeat it."""


def training_job(config: DictConfig, overrides: Sequence[str] = ()) -> TrainingJob:
    """Check a composed ``train`` config, and return what a run needs of it.

    Args:
        config: of :func:`~leap_avvp.config.compose.compose_job`, or of the command line.
        overrides: what the command line named.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    check_types(config, overrides, "train")
    content = plain(config)
    seed, callbacks, trainer = int(content["seed"]), content["callbacks"], content["trainer"]
    if seed < 0:
        raise ConfigError(f"seed: expected a whole number of at least 0, found {seed}")
    return TrainingJob(
        parts=Parts(content),
        config_hash=config_hash(content),
        output_dir=Path(str(content["output_dir"])),
        seed=seed,
        resume=bool(content["resume"]),
        overwrite=bool(content["overwrite"]),
        init_from=None if content["init_from"] is None else Path(str(content["init_from"])).expanduser(),
        init_parts=_parts(content["init_parts"]),
        evaluate_untrained=bool(content["evaluate_untrained"]),
        keep_last=bool(callbacks.get("keep_last")),
        monitor=callbacks["monitor"],
        mode=callbacks["mode"],
        checkpoint_every_n_steps=callbacks.get("checkpoint_every_n_steps"),
        progress=callbacks["progress"],
        compile=bool(trainer.get("compile")),
        matmul_precision=_precision(trainer),
        records=_records(content),
    )


def evaluation_job(config: DictConfig, overrides: Sequence[str] = ()) -> EvaluationJob:
    """Check a composed ``evaluate`` config, and return what scoring a checkpoint needs of it.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    check_types(config, overrides, "evaluate")
    content = plain(config)
    # `evaluate.yaml` has the places of a checkpoint's data, which simulated ones do not know: left out where unset.
    content["data"] = {key: value for key, value in content["data"].items() if key not in DATA_KEYS or value}
    return EvaluationJob(
        content=content,
        overrides=tuple(overrides),
        checkpoint=Path(str(content["checkpoint"])),
        output_dir=Path(str(content["output_dir"])),
        overwrite=bool(content["overwrite"]),
        split=check_choice("split", content["split"], ("val", "test")),
        matmul_precision=_precision(content["trainer"]),
        records=_records(content),
    )


def check_model(content: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return the config that a checkpoint carries, with every name as it is called now.

    Args:
        content: of the checkpoint's stamp.
        path: of the checkpoint, for messages.

    Raises:
        DataError: a group of the model is missing.
    """
    try:
        known = OmegaConf.to_container(OmegaConf.create(dict(content)), resolve=True)
    except OmegaConfBaseException as error:
        raise DataError(f"{path}: config: {explain(error)}; the file is damaged") from error
    assert isinstance(known, dict)
    for group in MODEL_GROUPS:
        if not isinstance(known.get(group), Mapping):
            raise DataError(f"{path}: config: expected the group {group}, found none; the file is damaged")
    now: Mapping[str, Any] = renamed(known)
    return now


def _parts(named: Any) -> tuple[str, ...]:
    listed = [] if named is None else [named] if isinstance(named, str) else list(named)
    return tuple(check_choice("init_parts", part, ("frontend", "encoder", "decoder")) for part in listed)


def _records(content: Mapping[str, Any]) -> dict[str, str]:
    """Return Hydra's own files of a job; written by the run, once the folder is known to be its own."""
    records = {"config.yaml": OmegaConf.to_yaml(OmegaConf.create(dict(content)))}
    if HydraConfig.initialized():
        settings = HydraConfig.get()
        records["overrides.yaml"] = OmegaConf.to_yaml(settings.overrides.task)
        records["hydra.yaml"] = OmegaConf.to_yaml(OmegaConf.create({"hydra": settings}))
    return records


def _precision(trainer: Mapping[str, Any]) -> str:
    return check_choice("trainer.matmul_precision", trainer.get("matmul_precision", "highest"), MATMUL_PRECISIONS)
