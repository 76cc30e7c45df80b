"""The LightningModule: parser, loss, metrics and optimizer, nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from leap_avvp.card.features import STREAMS
from leap_avvp.config.build import Parts
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.errors import ConfigError, LeapError
from leap_avvp.losses import ParsingLoss, TrainingLoss
from leap_avvp.metrics import ParsingMetrics, Protocol, TunedProtocol
from leap_avvp.metrics.attention import MODALITIES, AttentionLift
from leap_avvp.metrics.protocol import PROBABILITIES, non_finite_videos
from leap_avvp.metrics.tuning import UNTUNED
from leap_avvp.models import VideoParser
from leap_avvp.training.checkpoint import CHECKPOINT_KEY
from leap_avvp.training.shares import mean_of_processes, of_all, seed_process, step_weight
from leap_avvp.types import Batch, ParserOutput

__all__ = ["NonFiniteLossError", "NonFiniteProbabilityError", "ParsingModule", "build_module"]

_SAID = ("audio", "visual", "video")
_HOW_TO_GO_ON = (
    "Lower optimizer.lr, or set trainer.gradient_clip_val; checkpoints of earlier epochs are kept, and "
    "init_from=FOLDER starts from the best of them"
)


class NonFiniteLossError(LeapError):
    """A loss term became NaN or infinite."""


class NonFiniteProbabilityError(LeapError):
    """A probability to be scored is NaN or infinite."""


class ParsingModule(lightning.LightningModule):
    """Trains a parser on weak and pseudo labels, and scores it on the dense truth.

    Args:
        parser: the model.
        loss: the training loss; None takes LEAP's with its own weights.
        protocol: how probabilities become binary predictions; None takes ``union`` with thresholds of 0.5.
        optimizer: from parameters to an optimizer; None for a module that is not trained.
        scheduler: from the optimizer to a schedule, stepped once an epoch, or at every step (and told ``total_steps``)
            if its class says ``interval = "step"``; None for a constant rate.
        seed: dropout of epoch e depends on (seed, e) alone, so a run resumed between epochs equals one never stopped.
    """

    def __init__(
        self,
        parser: VideoParser,
        loss: TrainingLoss | None = None,
        protocol: Protocol | None = None,
        optimizer: Callable[[Iterable[Parameter]], Optimizer] | None = None,
        scheduler: Callable[..., LRScheduler] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.parser = parser
        self.loss: TrainingLoss = loss or ParsingLoss()
        self.protocol = protocol or Protocol()
        self.seed = seed
        self._optimizer = optimizer
        self._scheduler = scheduler
        self.val_metrics = ParsingMetrics(exclusive=False)  # what picks the epoch, once an epoch
        self.test_metrics = ParsingMetrics()
        self._terms: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = self.loss_terms
        self._test_predictions: list[dict[str, Any]] = []
        self._test_lift: AttentionLift | None = None
        self.attention_lift: dict[str, Tensor] | None = None
        """What :class:`~leap_avvp.metrics.attention.AttentionLift` found in the last test; None without such maps."""
        self.keep_probabilities = False
        """Whether a test keeps what :meth:`test_probabilities` returns."""
        self.stamp: dict[str, Any] | None = None
        """Plain config and its hash, which every checkpoint carries under ``leap_avvp``."""

    def forward(self, batch: Batch) -> ParserOutput:
        """Parse the videos of a batch."""
        out: ParserOutput = self.parser(**_features(batch))
        return out

    def on_fit_start(self) -> None:
        """Show the loss all targets of the training split."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, LLPDataModule):
            self.loss.prepare(data.dataset("train").targets())

    def on_train_epoch_start(self) -> None:
        """Seed dropout, and what else is drawn, for this epoch; of several processes each draws its own."""
        seed_process(self.seed, self.current_epoch, self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the total loss of a batch and log its terms.

        Raises:
            NonFiniteLossError: naming the step, the terms and the videos.
        """
        tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        self.loss.progress = self.current_epoch + batch_idx / max(1, self.trainer.num_training_batches)
        terms = self._terms(self.loss.relabel(tensors, self.parser))
        if not torch.isfinite(terms["total"]):
            self._refuse(terms, batch, batch_idx)
        self.log_dict(
            {f"train/loss/{name}": value for name, value in mean_of_processes(terms, self.trainer, batch_idx).items()},
            on_step=True,
            on_epoch=False,
            batch_size=len(batch["video_id"]),
        )
        weight = step_weight(self.trainer, batch_idx)
        return terms["total"] if weight == 1 else terms["total"] * weight

    def loss_terms(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the loss terms of a batch's tensors, see :class:`~leap_avvp.losses.TrainingLoss`."""
        return self.loss(self.parser(**_features(tensors)), tensors, self.parser)

    def compile_parts(self, device: torch.device) -> None:
        """Compile parser and loss, on a GPU into CUDA graphs; weights and their names stay as they are."""
        mode = "reduce-overhead" if device.type == "cuda" else "default"
        self.parser.compile(mode=mode, dynamic=False)
        self._terms = torch.compile(self.loss_terms, mode=mode, dynamic=False)

    def _refuse(self, terms: Mapping[str, Tensor], batch: Batch, batch_idx: int) -> None:
        bad = [f"{name} = {float(value.detach())}" for name, value in terms.items() if not torch.isfinite(value)]
        raise NonFiniteLossError(
            f"the loss is not finite at step {self.global_step} (epoch {self.current_epoch}, batch {batch_idx}): "
            f"{', '.join(bad)}; videos {', '.join(batch['video_id'])}. {_HOW_TO_GO_ON}"
        )

    def _finite(self, batch: Batch) -> ParserOutput:
        """Parse the videos of a batch; a NaN must not count as "absent"."""
        out: ParserOutput = self(batch)
        rows = non_finite_videos(out)
        if rows:
            names = ", ".join(batch["video_id"][row] for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
            found = f"{len(rows)} of {len(batch['video_id'])} videos of a batch: {names}"
            if self._trainer is not None and self.trainer.state.fn == TrainerFn.FITTING:
                raise NonFiniteProbabilityError(
                    f"the probabilities are not finite at step {self.global_step} (epoch {self.current_epoch}, "
                    f"validation): NaN or Inf for {found}. {_HOW_TO_GO_ON}"
                )
            raise NonFiniteProbabilityError(
                f"expected finite probabilities, found NaN or Inf for {found}; "
                "the weights hold NaN or the features are out of range: score another checkpoint"
            )
        return out

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the predictions of a batch against the dense truth.

        Raises:
            NonFiniteProbabilityError: naming the videos.
        """
        audio, visual = self.protocol.apply(self._finite(batch))
        self.val_metrics.update(audio, visual, batch["target_audio"], batch["target_visual"])

    def on_validation_epoch_end(self) -> None:
        """Log the ten metrics and their mean."""
        self._log_scores("val", self.val_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Count the predictions of a batch against the dense truth, and keep them.

        Raises:
            NonFiniteProbabilityError: naming the videos.
        """
        out = self._finite(batch)
        audio, visual = self.protocol.apply(out)
        self.test_metrics.update(audio, visual, batch["target_audio"], batch["target_visual"])
        if any(f"{modality}_attention" in out for modality in MODALITIES):
            if self._test_lift is None:
                self._test_lift = AttentionLift(audio.shape[2]).to(audio.device)
            self._test_lift.update(out, batch["target_audio"], batch["target_visual"])
        said = {"audio": audio, "visual": visual, "video": self.protocol.video(out)}
        probabilities = {name: out[name].cpu() for name in PROBABILITIES if self.keep_probabilities and name in out}
        self._test_predictions.append(
            {
                "video_id": batch["video_id"],
                **{name: tensor.cpu().numpy() for name, tensor in said.items()},
                **probabilities,
            }
        )

    def predict_step(self, batch: Batch, batch_idx: int = 0, dataloader_idx: int = 0) -> dict[str, Any]:
        """Return what is said of the videos of a batch, B of them, on the CPU; labels need not be there.

        ``video_id``, length B; boolean ``audio`` and ``visual`` (B, T, C), as the protocol makes them, and ``video``
        (B, C); the probabilities behind them, ``segment_audio_prob`` and ``segment_visual_prob`` (B, T, C) and
        ``video_prob`` (B, C).

        Raises:
            NonFiniteProbabilityError: naming the videos.
        """
        out = self._finite(batch)
        audio, visual = self.protocol.apply(out)
        tensors = {
            "audio": audio,
            "visual": visual,
            "video": self.protocol.video(out),
            **{name: out[name] for name in ("segment_audio_prob", "segment_visual_prob", "video_prob")},
        }
        return {"video_id": batch["video_id"], **{name: value.cpu() for name, value in tensors.items()}}

    def on_test_epoch_start(self) -> None:
        """Forget an earlier test."""
        self._test_predictions.clear()
        self._test_lift = self.attention_lift = None

    def on_test_epoch_end(self) -> None:
        """Log the metrics and the mean of the ten."""
        self._log_scores("test", self.test_metrics)
        # A process without a batch takes part in the sums of the others.
        classes = max(of_all(0 if self._test_lift is None else self._test_lift.num_classes))
        if classes:
            lift = self._test_lift or AttentionLift(classes).to(self.device)
            self.attention_lift = {name: value.cpu() for name, value in lift.compute().items()}

    def _log_scores(self, split: str, metrics: ParsingMetrics) -> None:
        scores = metrics.compute()
        metrics.reset()
        # float32: some devices (MPS) hold no float64; metrics.json has the raw ones, by way of `scores`.
        self.scores = {name: float(value) for name, value in scores.items()}
        self.log_dict({f"{split}/{name}": value for name, value in self.scores.items()})

    def test_predictions(self) -> dict[str, Any]:
        """Return ``video_ids`` (N,), boolean ``audio``, ``visual`` (N, T, C) and ``video`` (N, C) of the last test.

        Of all processes: each of them must call it.
        """
        ids, parts = self._gathered()
        return {"video_ids": ids, **{name: np.concatenate([part[name] for part in parts]) for name in _SAID}}

    def test_probabilities(self) -> tuple[list[str], dict[str, Tensor]]:
        """Return the ids (N,) and the probabilities behind :meth:`test_predictions`, as the parser gave them.

        By their names in :class:`~leap_avvp.types.ParserOutput`, on the CPU, of a test with ``keep_probabilities``. Of
        all processes: each of them must call it.
        """
        ids, parts = self._gathered()
        names = [name for name in PROBABILITIES if name in parts[0]]
        return ids, {name: torch.cat([part[name] for part in parts]) for name in names}

    def _gathered(self) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the ids of the last test's videos, and what was kept of its batches, in the order of the videos."""
        # Process r had batches r, r + W, ...
        turns = itertools.zip_longest(*of_all(self._test_predictions))
        parts = [part for turn in turns for part in turn if part is not None]
        return [name for part in parts for name in part["video_id"]], parts

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put the stamp in; unlike a callback's, this hook also runs for checkpoints of weights alone."""
        if self.stamp is not None:
            checkpoint[CHECKPOINT_KEY] = self.stamp

    def configure_optimizers(self) -> Any:
        """Build the optimizer and, if there is one, its schedule."""
        if self._optimizer is None:
            raise RuntimeError("this module was built without an optimizer: it can be tested, not trained")
        optimizer = self._optimizer(p for p in self.parser.parameters() if p.requires_grad)
        if self._scheduler is None:
            return optimizer
        interval = getattr(getattr(self._scheduler, "func", self._scheduler), "interval", "epoch")
        length = {"total_steps": int(self.trainer.estimated_stepping_batches)} if interval == "step" else {}
        scheduler = self._scheduler(optimizer, **length)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": interval}}


def _features(batch: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: batch[name] for name in STREAMS if name in batch}


def build_module(parts: Parts, seed: int = 0) -> ParsingModule:
    """Build parser, loss, protocol, optimizer and schedule, and put them into a module."""
    loss, optimizer, scheduler = parts.loss(), parts.optimizer(), parts.scheduler()
    protocol = parts.protocol()
    if isinstance(protocol, TunedProtocol):
        raise ConfigError(UNTUNED)
    return ParsingModule(parts.parser(), loss, protocol, optimizer, scheduler, seed=seed)
