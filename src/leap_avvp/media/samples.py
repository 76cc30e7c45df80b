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
        """Return the samples, what is no number included."""
        channels, planar, kind = frame.layout.nb_channels, frame.format.is_planar, frame.format.name
        if (planar and channels >= _PLANES) or kind not in pyav().audio.frame.format_dtypes:
            key = (kind, frame.layout.name, frame.sample_rate)
            if key not in self._packers:
                self._packers[key] = pyav().AudioResampler(format="flt")
            raw = np.concatenate([part.to_ndarray() for part in self._packers[key].resample(frame)], axis=1)
        else:
            raw = frame.to_ndarray()
        samples = raw.T if len(raw) > 1 else raw.reshape(-1, channels)
        scale = _SCALES.get(raw.dtype.str[1:])
        floats = samples.astype(np.float32, copy=False)
        if scale is None:
            return floats
        return np.asarray((floats - 128 if raw.dtype == np.uint8 else floats) * np.float32(scale), np.float32)
