"""Decoded sound as float32, from any sample format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.media.opening import pyav

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

__all__ = ["Floats"]

_SCALES = {"u1": 2.0**-7, "i2": 2.0**-15, "i4": 2.0**-31}
_PLANES = 8  # of which, or more, PyAV reads beyond the end


class Floats:
    """Makes (n, channels) float32 of pieces of any sample format, whole numbers divided to below 1."""

    def __init__(self) -> None:
        self._packers: dict[tuple[str, str, int], Any] = {}

    def __call__(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Return the samples; what is no number is silence."""
        channels = len(frame.layout.channels)
        planes = channels if frame.format.is_planar else 1
        if planes >= _PLANES or frame.format.name not in pyav().audio.frame.format_dtypes:
            key = (frame.format.name, frame.layout.name, frame.sample_rate)
            if key not in self._packers:
                self._packers[key] = pyav().AudioResampler(format="flt")
            raw = np.concatenate([part.to_ndarray() for part in self._packers[key].resample(frame)], axis=1)
        else:
            raw = frame.to_ndarray()
        samples = raw.T if len(raw) > 1 else raw.reshape(-1, channels)
        scale = _SCALES.get(raw.dtype.str[1:])
        if scale is not None:
            shifted = samples.astype(np.float32) - (128 if raw.dtype == np.uint8 else 0)
            return np.asarray(shifted * np.float32(scale), np.float32)
        found = samples.astype(np.float32)
        # What is no number would spoil all that the resampler makes after it.
        return found if np.isfinite(found).all() else np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)
