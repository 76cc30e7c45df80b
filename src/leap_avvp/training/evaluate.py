"""Score a checkpoint: its own model, on its own data or on others, under a protocol or several."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import lightning
import torch
from torch import Tensor

from leap_avvp.config.build import Parts
from leap_avvp.config.hashing import config_hash
from leap_avvp.config.job import EvaluationJob
from leap_avvp.config.lightning import check_trainer
from leap_avvp.config.merge import merge
from leap_avvp.config.protocols import named_protocols
from leap_avvp.data.annotations import VERSIONS, audio_in_version
from leap_avvp.data.datamodule import LLPDataModule, SplitDataset
from leap_avvp.errors import ConfigError, check_choice
from leap_avvp.files import write_json
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import SCORE_NAMES, ParsingMetrics, Protocol, TunedProtocol
from leap_avvp.metrics.protocol_files import write_protocol
from leap_avvp.metrics.tuning import OBJECTIVE
from leap_avvp.scoring.many import difference_of
from leap_avvp.training.checkpoint import checkpoint_file, load_trained
from leap_avvp.training.folder import claim_evaluation, prepare_folder
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.trainer import device_name, is_main_process, lightnings_refusals, make_trainer, quiet, versions
from leap_avvp.training.writers import PredictionsWriter, lift_of, truth_of

__all__ = ["EVALUATION_FORMAT", "evaluate"]

EVALUATION_FORMAT = "leap-avvp/evaluation/1"
_ITS_OWN = "these numbers are of those very videos"
_TUNED = "tuned"


def evaluate(job: EvaluationJob) -> dict[str, Any]:
    """Score a checkpoint; write ``evaluation_<split>.json`` and the predictions; return what the former holds.

    The model parses each video once: further protocols and versions of the annotations are scored from its
    probabilities. Thresholds of ``protocol=tuned`` are chosen on the validation split first, whichever is scored, and
    written to ``protocol_tuned.yaml``.

    Raises:
        LeapError: whatever the user can mend.
    """
    quiet()
    check_trainer(job.content["trainer"])
    prepare_folder(job.output_dir)
    checkpoint = checkpoint_file(job.checkpoint)
    trained = load_trained(checkpoint)
    parts = merge(job, trained.config, trained.directory)
    protocols, wanted = _protocols(job, parts), _versions(job)
    data = parts.data()
    facts = json.loads(json.dumps(data.source.describe()))  # before a split is loaded, of which it would tell too
    heard = _audio_truths(data, job.split, wanted)
    torch.set_float32_matmul_precision(job.matmul_precision)
    module = ParsingModule(trained.parser, ParsingLoss())
    chosen = {label: protocol for label, protocol in protocols.items() if isinstance(protocol, TunedProtocol)}
    tuned = {}
    if chosen:
        trainer = make_trainer(parts, job.output_dir)
        tuned = _tune(trainer, module, data, chosen, _objective(trained.config))
        protocols |= {label: _marked(found, job.split) for label, found in tuned.items()}
    first = next(iter(protocols.values()))
    identity = {
        "checkpoint": str(checkpoint.absolute()),
        "config_hash": config_hash(trained.config),
        "data": facts,
        "protocol": _described(first),
        **({"protocols": [each.name for each in protocols.values()]} if len(protocols) > 1 else {}),
        **({"annotation_versions": wanted} if wanted else {}),
    }
    claim_evaluation(job, identity)
    written = PredictionsWriter(job.output_dir, job.split)
    trainer = make_trainer(parts, job.output_dir, callbacks=[written])
    module.protocol, module.keep_probabilities = first, len(protocols) > 1 or bool(wanted)
    loader = data.test_dataloader() if job.split == "test" else data.val_dataloader()
    with lightnings_refusals():
        trainer.test(module, dataloaders=loader, verbose=False)
    rows = _rows(module, protocols, heard, data.dataset(job.split)) if module.keep_probabilities else []
    result = {
        "format": EVALUATION_FORMAT,
        **identity,
        "data_source": data.source.name,
        "split": job.split,
        "videos": len(written.predictions["video_ids"]),
        "scores": rows[0]["scores"] if rows else dict(module.scores),
        **({"results": rows, "annotation_differences": _differences(rows)} if rows else {}),
        **lift_of(module, data),
        **({"tuned": {label: _told(each, trained.config) for label, each in chosen.items()}} if chosen else {}),
        "device": device_name(trainer.strategy.root_device),
        "versions": versions(),
    }
    if is_main_process():
        for label, protocol in tuned.items():
            write_protocol(job.output_dir / f"protocol_{label}.yaml", protocol)
    write_json(result, job.output_dir / f"evaluation_{job.split}.json")
    return result


def _protocols(job: EvaluationJob, parts: Parts) -> dict[str, Protocol]:
    """Return what is asked for by its label: one of ``protocol``, or all of ``protocols``."""
    names = job.content.get("protocols")
    if names is None:
        protocol = parts.protocol()
        return {_TUNED if isinstance(protocol, TunedProtocol) else "protocol": protocol}
    named = [word.lstrip("+~").partition("=")[0] for word in job.overrides]
    both = next((key for key in named if key == "protocol" or key.startswith("protocol.")), None)
    if both is not None:
        raise ConfigError(f"protocols: expected them in place of protocol, found {both} too; leave one out")
    return named_protocols(names if isinstance(names, list) else [names])


def _versions(job: EvaluationJob) -> list[str]:
    named = job.content.get("annotation_versions")
    listed = [] if named is None else named if isinstance(named, list) else [named]
    return list(dict.fromkeys(check_choice("annotation_versions", version, VERSIONS) for version in listed))


def _objective(trained: Mapping[str, Any]) -> str:
    """Return the validation score that has picked the checkpoint's epoch, as far as its config says it."""
    monitor = str((trained.get("callbacks") or {}).get("monitor", "")).removeprefix("val/")
    return monitor if monitor in (*SCORE_NAMES, "average") else OBJECTIVE


def _tune(
    trainer: lightning.Trainer,
    module: ParsingModule,
    data: LLPDataModule,
    chosen: Mapping[str, TunedProtocol],
    objective: str,
) -> dict[str, Protocol]:
    """Parse the validation videos, and choose the thresholds that are still open, by label."""
    module.keep_probabilities = True
    with lightnings_refusals():
        trainer.test(module, dataloaders=data.val_dataloader(), verbose=False)
    ids, out = module.test_probabilities()
    truth = truth_of(data.dataset("val"), ids)
    return {label: protocol.tune(out, *truth, objective) for label, protocol in chosen.items()}


def _told(protocol: TunedProtocol, trained: Mapping[str, Any]) -> dict[str, Any]:
    """Return how thresholds were chosen."""
    objective = protocol.objective or _objective(trained)
    return {"split": "val", "objective": objective, "kinds": list(protocol.kinds), "grid": list(protocol.grid)}


def _marked(protocol: Protocol, split: str) -> Protocol:
    """Return a tuned protocol that says so where it is scored on what it was tuned on."""
    return dataclasses.replace(protocol, note=f"{protocol.note}: {_ITS_OWN}") if split == "val" else protocol


def _described(protocol: Protocol) -> dict[str, Any]:
    """Return a protocol as JSON: its name, and thresholds by class, which the name only sums up."""
    fields = ((field.name, getattr(protocol, field.name)) for field in dataclasses.fields(Protocol))
    return {"name": protocol.name, **{name: list(value) for name, value in fields if isinstance(value, tuple)}}


def _audio_truths(data: LLPDataModule, split: str, wanted: Sequence[str]) -> dict[str | None, Tensor]:
    """Return what is heard, (N, T, C), by the version of the annotations; of none but those there under None."""
    videos = data.dataset(split)
    if not wanted:
        return {None: truth_of(videos, videos.video_ids)[0]}
    audio = truth_of(videos, videos.video_ids)[0].numpy()
    simulated = data.source.name == "simulated"
    return {
        version: torch.from_numpy(audio_in_version(audio, videos.video_ids, version, videos.card, simulated))
        for version in wanted
    }


def _rows(
    module: ParsingModule,
    protocols: Mapping[str, Protocol],
    audio_truths: Mapping[str | None, Tensor],
    videos: SplitDataset,
) -> list[dict[str, Any]]:
    """Return the scores under each protocol against each version of the annotations."""
    ids, out = module.test_probabilities()
    place = {name: row for row, name in enumerate(videos.video_ids)}
    order = torch.tensor([place[name] for name in ids])
    seen = truth_of(videos, ids)[1]
    rows = []
    for label, protocol in protocols.items():
        said = protocol.apply(out)
        for version, heard in audio_truths.items():
            metrics = ParsingMetrics(sync_on_compute=False)  # each process has all videos
            metrics.update(*said, heard[order], seen)
            scores = {name: float(value) for name, value in metrics.compute().items()}
            row = {"label": label, "protocol": _described(protocol), "annotation_version": version, "scores": scores}
            rows.append(row)
    return rows


def _differences(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the older annotations change, under each protocol."""
    found = []
    for label in dict.fromkeys(row["label"] for row in rows):
        own = {row["annotation_version"]: row["scores"] for row in rows if row["label"] == label}
        if len(own) > 1:
            pair = {"first": VERSIONS[0], "second": VERSIONS[1]}
            scores = difference_of(own[VERSIONS[0]], own[VERSIONS[1]])
            found.append({"label": label, **pair, "scores": scores})
    return found
