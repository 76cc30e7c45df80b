"""A composed config on its way into a run: checked and hashed once, then plain values and parts."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.config import compose
from leap_avvp.config.build import Parts
from leap_avvp.config.cards import with_card
from leap_avvp.config.compose import check_types, plain
from leap_avvp.config.elsewhere import DATA_KEYS
from leap_avvp.config.explain import explain
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.older import renamed
from leap_avvp.errors import ConfigError, DataError, check_choice

__all__ = [
    "MODEL_GROUPS",
    "EvaluationJob",
    "TrainingJob",
    "check_model",
    "compose_job",
    "evaluation_job",
    "training_job",
]

MODEL_GROUPS = ("encoder", "decoder", "label_embedding")
"""The groups of a config that make the parser; ``frontend`` too, which configs before it do not have."""
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
        config: of :func:`~leap_avvp.config.compose.compose_config`, or of the command line.
        overrides: what the command line named.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    check_types(config, overrides, "train")
    content = with_card(plain(config), overrides)
    seed, callbacks, trainer = int(content["seed"]), content["callbacks"], content["trainer"]
    if seed < 0:
        raise ConfigError(f"seed: expected a whole number of at least 0, found {seed}")
    if not isinstance(content["made_by"], Mapping | None):
        raise ConfigError(f"made_by: expected {{KEY: HASH}} or null, found {content['made_by']!r:.80}")
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


def compose_job(overrides: Sequence[str] = (), output_dir: str | Path | None = None) -> TrainingJob:
    """Compose and check a training as ``leap-avvp train`` does, ready for :func:`leap_avvp.training.run`.

    A Hydra of the program that calls is left as it was.

    Args:
        overrides: words of the command line, without sweeps: ``["encoder=han", "trainer=cpu"]``.
        output_dir: folder of the run; None takes what the command line would, below ``outputs/train`` by the time.

    Raises:
        ConfigError: naming the key, what was expected and what was found.
    """
    with _no_hydra():
        whole = compose.compose_config(overrides, hydra=True)
        config = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        if output_dir is not None or OmegaConf.is_interpolation(config, "output_dir"):
            config.output_dir = str(Path(output_dir or whole.hydra.run.dir).expanduser().absolute())
        job = training_job(config, overrides)
    records = {"config.yaml": job.records["config.yaml"], "overrides.yaml": OmegaConf.to_yaml(list(overrides))}
    return dataclasses.replace(job, records=records)


@contextlib.contextmanager
def _no_hydra() -> Iterator[None]:
    """Put away the Hydra of the program, with its own configs, while the block runs."""
    backup = get_gh_backup()
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        restore_gh_from_backup(backup)


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
