"""Score a checkpoint: its own model, on its own data or on others, under a protocol."""

from __future__ import annotations

import json
from typing import Any

import torch

from leap_avvp.config.hashing import config_hash
from leap_avvp.config.job import EvaluationJob
from leap_avvp.config.lightning import check_trainer
from leap_avvp.config.merge import merge
from leap_avvp.files import write_json
from leap_avvp.losses import ParsingLoss
from leap_avvp.training.checkpoint import checkpoint_file, load_trained
from leap_avvp.training.folder import claim_evaluation, prepare_folder
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.trainer import device_name, lightnings_refusals, make_trainer, quiet, versions
from leap_avvp.training.writers import PredictionsWriter

__all__ = ["EVALUATION_FORMAT", "evaluate"]

EVALUATION_FORMAT = "leap-avvp/evaluation/1"


def evaluate(job: EvaluationJob) -> dict[str, Any]:
    """Score a checkpoint; write ``evaluation_<split>.json`` and the predictions; return what the former holds.

    Raises:
        LeapError: whatever the user can mend.
    """
    quiet()
    check_trainer(job.content["trainer"])
    prepare_folder(job.output_dir)
    checkpoint = checkpoint_file(job.checkpoint)
    trained = load_trained(checkpoint)
    parts = merge(job, trained.config, trained.directory)
    data, protocol = parts.data(), parts.protocol()
    identity = {
        "checkpoint": str(checkpoint.absolute()),
        "config_hash": config_hash(trained.config),
        "data": json.loads(json.dumps(data.source.describe())),
        "protocol": {"name": protocol.name},
    }
    claim_evaluation(job, identity)
    torch.set_float32_matmul_precision(job.matmul_precision)
    written = PredictionsWriter(job.output_dir, job.split)
    trainer = make_trainer(parts, job.output_dir, callbacks=[written])
    module = ParsingModule(trained.parser, ParsingLoss(), protocol)
    loader = data.test_dataloader() if job.split == "test" else data.val_dataloader()
    with lightnings_refusals():
        trainer.test(module, dataloaders=loader, verbose=False)
    result = {
        "format": EVALUATION_FORMAT,
        **identity,
        "data_source": data.source.name,
        "split": job.split,
        "videos": len(written.predictions["video_ids"]),
        "scores": dict(module.scores),
        "device": device_name(trainer.strategy.root_device),
        "versions": versions(),
    }
    write_json(result, job.output_dir / f"evaluation_{job.split}.json")
    return result
