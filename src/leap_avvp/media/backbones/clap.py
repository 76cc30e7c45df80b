"""CLAP: sounds and texts in one space; UWAV's and LSLD's features are its embeddings, VALOR's its last feature map.

The authors' way (Franklin905/VALOR ``utils/clap_preprocess.py``, LAION-AI/CLAP ``laion_clap/hook.py``): 48 kHz mono; 16
bits and back; a piece shorter than 10 s is repeated as often as it fits, then zeros; log-mel (FFT 1024, hop 480, 64
bands of 50-14,000 Hz, energies, 10 log10), through filters by HTK's scale in models with fusion (torchaudio) and by
Slaney's in those without (torchlibrosa). With fusion the same picture goes in four times, marked as not longer.

The checkpoints: ``clap_htsat_unfused`` is LSLD's own (630k-audioset-best). VALOR's (630k-fusion-best) is not among
transformers' models: ``clap_630k_fusion`` reads laion_clap's file of it; ``clap_htsat_fused`` is its sister that also
learned from AudioSet, for which VALOR's thresholds were not made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leap_avvp.errors import DataError
from leap_avvp.media.backbones.clap_laion import load_laion
from leap_avvp.media.mel import mel_matrix, slaney_matrix, spectrogram
from leap_avvp.media.networks import batched, load_pretrained, load_tokenizer
from leap_avvp.media.weights import find

__all__ = ["CLAP", "LICENCE", "SOURCE", "WEIGHTS", "fill", "mel_picture", "stretch"]

SOURCE = "https://huggingface.co/laion/clap-htsat-fused, https://huggingface.co/laion/clap-htsat-unfused"
LICENCE = "Apache-2.0 (630k-fusion-best: CC0-1.0)"
WEIGHTS = ("clap_htsat_fused", "clap_htsat_unfused", "clap_630k_fusion")

RATE, SAMPLES = 48_000, 480_000
_FFT, _HOP, _BANDS, _LOW, _HIGH = 1024, 480, 64, 50.0, 14_000.0
_FLOOR = 1e-10
_WORDS = 77


def fill(piece: NDArray[Any]) -> NDArray[np.float32]:
    """Return (480000,): cut to 16 bits, repeated as often as it fits into 10 s, then zeros.

    Args:
        piece: (n,) mono at 48 kHz, 1 to 480,000 samples; what is beyond [-1, 1] is clipped.

    Raises:
        DataError: no samples, or too many.
    """
    if not 1 <= len(piece) <= SAMPLES:
        raise DataError(f"CLAP: expected 1 to {SAMPLES:,} samples of sound at {RATE:,} Hz, found {len(piece):,}")
    bits = np.trunc(np.clip(np.asarray(piece, np.float32), -1, 1) * np.float32(32767)) / 32767.0
    filled = np.zeros(SAMPLES, np.float32)
    whole = len(bits) * (SAMPLES // len(bits))
    filled[:whole] = np.tile(bits, SAMPLES // len(bits))
    return filled


def stretch(samples: NDArray[Any], count: int = SAMPLES) -> NDArray[Any]:
    """Return ``count`` samples of (n,): the nearest, at equal distances from the first to the last; as VALOR does.

    Raises:
        DataError: there are no samples.
    """
    if not len(samples):
        raise DataError("CLAP: expected samples of sound, found none")
    return samples[np.round(np.linspace(0, len(samples) - 1, count)).astype(np.int64)]


def mel_picture(filled: NDArray[np.float32], fusion: bool) -> NDArray[np.float32]:
    """Return (1001, 64): the log-mel energies in dB of 10 s, what is at the edges mirrored.

    Args:
        filled: (480000,), see :func:`fill`.
        fusion: the filters of models with fusion; else of those without.
    """
    matrix = (
        mel_matrix(_BANDS, _FFT, RATE, _LOW, _HIGH, "hertz")
        if fusion
        else slaney_matrix(_BANDS, _FFT, RATE, _LOW, _HIGH)
    )
    around = np.pad(filled, _FFT // 2, mode="reflect")
    energies = spectrogram(around, _FFT, _HOP, _FFT, power=2.0) @ matrix
    return np.asarray(10 * np.log10(np.maximum(energies, _FLOOR)), np.float32)


class CLAP:
    """Pieces of sound to (n, 512) float32 of length 1, a sound to its map (64, 768), and texts. Extra ``clip``."""

    rate = RATE

    def __init__(
        self,
        weights: Path | None = None,
        device: str | torch.device = "cpu",
        name: str = "clap_htsat_fused",
        batch: int = 10,
        tokenizer: Path | None = None,
    ) -> None:
        """Load the network.

        Args:
            weights: folder of a ClapModel and its tokenizer, as on the hub, or a file of laion_clap's; None for
                ``name``'s in the cache.
            device: on which it runs.
            name: see :data:`WEIGHTS`.
            batch: pieces at a time.
            tokenizer: folder with RoBERTa's; None for that beside the weights, or of laion_clap's, which have none,
                that of ``clap_htsat_fused`` or ``clap_htsat_unfused`` in the cache. Only texts need it.

        Raises:
            ConfigError: transformers is not installed.
            DataError: there are no weights, or they are another network's.
        """
        self.name, self.device, self.batch = name, device, batch
        path = find(name) if weights is None else weights
        self.network = (load_laion(path) if path.is_file() else load_pretrained("ClapModel", path)).to(device)
        self._tokenizer = tokenizer if tokenizer is not None or path.is_file() else path
        self.fusion = bool(self.network.config.audio_config.enable_fusion)
        self.width = int(self.network.config.projection_dim)
        self.map_width = int(self.network.config.audio_config.hidden_size)
        self.scale = float(self.network.logit_scale_a.exp())
        """What cosines are multiplied by."""

    def __call__(self, pieces: NDArray[np.float32] | Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return (n, 512), each of length 1, of n pieces (samples,) at 48 kHz of up to 10 s; see :func:`fill`."""
        return batched(self._embedding, list(pieces), self._pictures, self.device, self.batch, self.width)

    def map(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (64, 768) of (n,) at 48 kHz, up to 10 s: 2 frequencies x 32 places in time, frequency outer.

        The last stage's feature map after its normalisation; not of length 1.
        """
        return batched(self._map, [samples], self._pictures, self.device, 1, self.map_width)

    def text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Return (C, 512), each of length 1, of C texts; what is longer than 77 words and signs is cut.

        Raises:
            DataError: there is no tokenizer beside the weights.
        """
        tokens = load_tokenizer(self._tokenizer or _any_tokenizer())(
            list(prompts), padding=True, truncation=True, max_length=_WORDS, return_tensors="pt"
        )
        with torch.inference_mode():
            found = self.network.get_text_features(
                input_ids=tokens["input_ids"].to(self.device), attention_mask=tokens["attention_mask"].to(self.device)
            )
            return np.asarray(_unit(found).float().cpu().numpy())

    def _pictures(self, pieces: Sequence[NDArray[np.float32]]) -> Tensor:
        pictures = torch.from_numpy(np.stack([mel_picture(fill(piece), self.fusion) for piece in pieces]))
        return pictures[:, None].expand(-1, 4 if self.fusion else 1, -1, -1)  # (b, 4, 1001, 64)

    def _embedding(self, pictures: Tensor) -> Tensor:
        found = self.network.get_audio_features(input_features=pictures, is_longer=self._not_longer(pictures))
        return _unit(found)

    def _map(self, pictures: Tensor) -> Tensor:
        found = self.network.audio_model(input_features=pictures, is_longer=self._not_longer(pictures))
        fields: Tensor = found.last_hidden_state  # (b, 768, 2, 32)
        return fields.flatten(2).transpose(1, 2)[0]

    @staticmethod
    def _not_longer(pictures: Tensor) -> Tensor:
        # transformers' own extractor marks a random piece as longer than 10 s where none is.
        return torch.zeros((len(pictures), 1), dtype=torch.bool, device=pictures.device)


def _any_tokenizer() -> Path:
    """Return a folder of the cache with CLAP's tokenizer, which is the same of all."""
    try:
        return find("clap_htsat_unfused")
    except DataError:
        return find("clap_htsat_fused")


def _unit(found: Any) -> Tensor:
    """Return the projected features, each of length 1: transformers 5 returns them beside others, 4 alone."""
    tensor: Tensor = getattr(found, "pooler_output", found)
    return torch.nn.functional.normalize(tensor, dim=-1)
