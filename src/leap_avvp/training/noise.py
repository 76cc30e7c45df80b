"""What a finished training says of the weak labels it was trained on: a file of noise ratios."""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from leap_avvp.data.datamodule import LLPDataModule, SplitDataset
from leap_avvp.errors import ConfigError
from leap_avvp.losses.entropy import video_target
from leap_avvp.losses.noise import noise_ratios, write_noise_ratios
from leap_avvp.training.module import ParsingModule

__all__ = ["NOISE_FILE", "NoiseRatios"]

NOISE_FILE = "noise_ratios.npz"


class NoiseRatios(Callback):
    """Writes ``noise_ratios.npz`` into a run's folder at its test, when the weights are those of the best epoch.

    From the video-level probabilities of all training videos, see :func:`leap_avvp.losses.noise.noise_ratios`. JoMoLD
    takes them from a network without cross-modal attention (``encoder=han encoder.cross=false``).

    Args:
        audio_threshold: of audio, above 0.
        visual_threshold: of visual, above 0.

    Raises:
        ConfigError: naming the key.
    """

    def __init__(self, audio_threshold: float = 0.6, visual_threshold: float = 1.8) -> None:
        self.thresholds = {"audio": audio_threshold, "visual": visual_threshold}
        for name, value in self.thresholds.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                key = f"callbacks.noise_ratios.{name}_threshold"
                raise ConfigError(f"{key}: expected a finite number above 0, found {value!r}")

    def on_test_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Score the training videos, and write."""
        data = getattr(trainer, "datamodule", None)
        if not trainer.is_global_zero or not isinstance(data, LLPDataModule):
            return
        assert isinstance(pl_module, ParsingModule)
        videos = data.dataset("train")
        probability = _probabilities(pl_module, videos, data.eval_batch_size)
        label = videos.tensors["video_label"].cpu().numpy()
        ratios = {}
        for name, threshold in self.thresholds.items():
            target = video_target(videos.tensors, name).cpu().numpy()
            ratios[name] = noise_ratios(probability[name].numpy(), target, label, threshold)
        write_noise_ratios(Path(trainer.default_root_dir) / NOISE_FILE, ratios)


def _probabilities(module: ParsingModule, videos: SplitDataset, batch_size: int) -> dict[str, Tensor]:
    """Return the video-level probabilities (N, C) of both modalities, on the CPU."""
    training = module.parser.training
    module.parser.eval()
    found: dict[str, list[Tensor]] = {"audio": [], "visual": []}
    with torch.no_grad():
        for first in range(0, len(videos), batch_size):
            batch = videos[list(range(first, min(first + batch_size, len(videos))))]
            out = module(module.transfer_batch_to_device(batch, module.device, 0))
            for name, parts in found.items():
                parts.append(out[f"{name}_prob"].cpu())
    module.parser.train(training)
    return {name: torch.cat(parts) for name, parts in found.items()}
