"""Sound of a clip, resampled as it is read, each sample at its place in time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import ConfigError
from leap_avvp.media.extras import need
from leap_avvp.media.opening import Clip, Opened, check_sound, opened, pyav
from leap_avvp.media.reel import seeks
from leap_avvp.media.samples import Floats

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

__all__ = ["AudioBlocks", "audio_blocks", "read_audio", "sound_spans"]

_PREROLL = 0.5  # seconds read before a stretch: of many codecs the first piece behind a seek is incomplete
_DRIFT = 0.1  # seconds that clock and samples may lie apart before it counts as a gap; clocks of files are rounded
_LOST = 0.005  # the same behind a piece that could not be decoded
_SECOND = 1.0  # silence is put in, and sound resampled, in pieces of about this
_BEYOND = 60.0  # seconds behind the end that a file states at which a time is not believed
_LONGEST_GAP = 6 * 3600.0
_Samples = NDArray[np.float32]
_Spans = list[tuple[float, float]]


class AudioBlocks(Iterator[_Samples]):
    """The sound of a clip in blocks: see :func:`audio_blocks`. Once it is used up, it closes the file."""

    def __init__(self, clip: Clip, rate: int, mono: bool, seconds: float) -> None:
        size = round(rate * seconds)
        if not 1_000 <= rate <= 768_000 or size < 1:
            raise ConfigError(
                f"sound: expected a rate of 1,000 to 768,000 Hz and blocks of one sample or more, found {rate} Hz and "
                f"{seconds} s"
            )
        self.spans: _Spans = []
        """(begin, end) in seconds from the clip's start of each stretch that holds sound of the file, digital silence
        too; what lies between or before them was filled with zeros. Complete when the last block is out."""
        self._blocks = _blocks(_resampled(clip, rate, mono, self.spans), size)

    def __next__(self) -> _Samples:
        return next(self._blocks)

    def close(self) -> None:
        """Close the file; no further block comes."""
        self._blocks.close()


def audio_blocks(clip: Clip, rate: int, mono: bool = True, seconds: float = 10.0) -> AudioBlocks:
    """Return the sound of a clip as an iterator over blocks, resampled by soxr (HQ) and streamed.

    Sample n of all blocks together is the sound at n / rate seconds from the clip's start. Where the file has none,
    before its sound begins or in a gap of 0.1 s or more, there are zeros; ``.spans`` of the result tells where there
    was some. The sound ends where that of the file ends: nothing is put in behind it.

    Args:
        clip: a stretch of a file.
        rate: samples a second of the result.
        mono: the mean of the channels; else each is kept, as many as the first piece has.
        seconds: of a block; the samples do not depend on it.

    Returns:
        Blocks of float32, nominally -1 to 1: (n,), or (n, channels). The last is shorter. None where there is no sound.

    Raises:
        ConfigError: a rate or a size that cannot be; PyAV or soxr is not installed.
        DataError: no media file, or sound at rates beyond 1,000 to 768,000 Hz.
    """
    return AudioBlocks(clip, rate, mono, seconds)


def read_audio(clip: Clip, rate: int, mono: bool = True) -> _Samples:
    """Return all sound of a short clip at once: see :func:`audio_blocks`.

    Returns:
        (n,) float32, or (n, channels); empty where there is no sound.

    Raises:
        ConfigError, DataError: as :func:`audio_blocks`.
    """
    blocks = list(audio_blocks(clip, rate, mono))
    if not blocks:
        return np.zeros((0,) if mono else (0, 0), np.float32)
    return np.concatenate(blocks)


def sound_spans(clip: Clip) -> _Spans:
    """Return the stretches of a clip in which the file has sound, digital silence too, by decoding it.

    Returns:
        (begin, end) in seconds from the clip's start, ascending, apart; none where there is no sound.

    Raises:
        ConfigError, DataError: as :func:`audio_blocks`.
    """
    spans: _Spans = []
    for _ in _placed(clip, True, spans):
        pass
    return spans


def _blocks(pieces: Iterator[_Samples], size: int) -> Generator[_Samples]:
    kept: list[_Samples] = []
    held = 0
    for piece in pieces:
        kept.append(piece)
        held += len(piece)
        if held >= size:
            joined = np.concatenate(kept)
            whole = held - held % size
            for begin in range(0, whole, size):
                yield joined[begin : begin + size].copy()
            kept, held = [joined[whole:].copy()], held - whole
    if held:
        yield np.concatenate(kept)


def _resampled(clip: Clip, rate: int, mono: bool, spans: _Spans) -> Iterator[_Samples]:
    soxr = need("soxr", "media")
    stream, before, shape = None, 0, 1
    for found, piece in _gathered(_placed(clip, mono, spans), mono):
        if found != before:
            if stream is not None:  # a file whose rate changes on the way
                yield from _out(stream.resample_chunk(np.zeros((0, shape), np.float32), last=True), mono)
            before, shape = found, piece.shape[1]
            stream = None if found == rate else soxr.ResampleStream(found, rate, shape, "float32", "HQ")
        yield from _out(piece if stream is None else stream.resample_chunk(piece), mono)
    if stream is not None:
        yield from _out(stream.resample_chunk(np.zeros((0, shape), np.float32), last=True), mono)


def _out(samples: _Samples, mono: bool) -> Iterator[_Samples]:
    if len(samples):
        yield samples[:, 0] if mono else samples


def _gathered(pieces: Iterator[tuple[int, _Samples]], mono: bool) -> Iterator[tuple[int, _Samples]]:
    """Join pieces of one rate to about a second: what is done with a short piece costs more than the piece."""
    for (rate, _), group in itertools.groupby(pieces, key=lambda piece: (piece[0], piece[1].shape[1])):
        kept: list[_Samples] = []
        held = 0
        for _, piece in group:
            kept.append(piece)
            held += len(piece)
            if held >= _SECOND * rate:
                yield rate, _clean(np.concatenate(kept), mono)
                kept, held = [], 0
        if kept:
            yield rate, _clean(np.concatenate(kept), mono)


def _clean(samples: _Samples, mono: bool) -> _Samples:
    """Return the mean of the channels, or each; what is no number is silence: it would spoil all that comes after."""
    if mono and samples.shape[1] > 1:
        total = samples[:, :1].copy()
        for channel in range(1, samples.shape[1]):
            total += samples[:, channel : channel + 1]
        samples = total / np.float32(samples.shape[1])
    return samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)


def _placed(clip: Clip, mono: bool, spans: _Spans) -> Iterator[tuple[int, _Samples]]:
    """Yield rate and samples (n, channels) without gap from the clip's start; note where they are the file's own."""
    with opened(clip.path) as source:
        tries = [None] if source.audio is None else seeks(source, clip.start)
        pieces = None if source.audio is None else _begun(source, source.audio, clip, tries[0])
        if pieces is not None:
            yield from _laid(pieces, clip, mono, spans)
            return
    for place in tries[1:]:
        with opened(clip.path) as source:
            pieces = None if source.audio is None else _begun(source, source.audio, clip, place)
            if pieces is not None:
                yield from _laid(pieces, clip, mono, spans)
                return


_Piece = tuple[float | None, int, _Samples, bool]  # seconds from the clip's start, rate, (n, channels), behind a loss


def _begun(source: Opened, stream: AudioStream, clip: Clip, place: float | None) -> Iterator[_Piece] | None:
    """Return the decoded pieces from ``place`` on; None if that begins behind the clip's start."""
    if place is not None and not source.seek(stream, max(0.0, place - _PREROLL)):
        return None
    pieces = _decoded(source, stream, clip)
    first = next(pieces, None)
    if place is not None and (first is None or first[0] is None or first[0] > 0):
        return None
    return pieces if first is None else itertools.chain([first], pieces)


def _decoded(source: Opened, stream: AudioStream, clip: Clip) -> Iterator[_Piece]:
    av = pyav()
    codec, base = stream.codec_context, float(stream.time_base or 0)
    zero = clip.start + source.origin
    stated = source.container.duration
    latest = _LONGEST_GAP if stated is None or stated <= 0 else stated / 1e6 + _BEYOND
    floats, lost = Floats(), False
    packets: Iterator[Any] = itertools.chain(source.packets(stream), [None])
    for packet in packets:
        try:
            frames = codec.decode(packet)
        except (av.FFmpegError, OSError):
            lost = True
            continue
        for frame in frames:
            if frame.is_corrupt or not frame.samples:
                lost = lost or bool(frame.is_corrupt)
                continue
            check_sound(clip.path, frame.sample_rate, frame.layout.nb_channels)
            time = None if frame.pts is None else frame.pts * base - zero
            if time is not None and time + clip.start > latest:
                time = None
            yield time, frame.sample_rate, floats(frame), lost
            lost = False


def _laid(pieces: Iterator[_Piece], clip: Clip, mono: bool, spans: _Spans) -> Iterator[tuple[int, _Samples]]:
    """Lay pieces one behind the other from the clip's start on: cut what lies before it, fill gaps, drop overlaps."""
    length = math.inf if clip.end is None else clip.end - clip.start
    place, channels = _Place(), 0
    started, after = False, -clip.start  # `after`: where the piece before ended by its own clock
    for time, rate, samples, lost in pieces:
        place.at(rate)
        begin = after if time is None else time
        if started and abs(begin - place.seconds) < (_LOST if lost else _DRIFT):
            begin = place.seconds
        after = begin + len(samples) / rate
        skip = round((place.seconds - begin) * rate)
        if begin >= length:
            return
        if skip >= len(samples):
            continue
        channels = channels if channels and not mono else samples.shape[1]
        for count in _silences(-skip, rate):
            yield rate, np.zeros((count, channels), np.float32)
            place.samples += count
        part = _widened(samples, channels)[max(0, skip) :]
        if length < math.inf:
            part = part[: max(0, round((length - place.seconds) * rate))]
        if not len(part):
            return
        yield rate, part
        begin = place.seconds
        place.samples += len(part)
        _note(spans, begin, place.seconds)
        started = True


class _Place:
    """How far the samples reach, without the rounding that sums of seconds gather."""

    def __init__(self) -> None:
        self.samples = 0
        self._rate, self._before = 1, 0.0

    @property
    def seconds(self) -> float:
        return self._before + self.samples / self._rate

    def at(self, rate: int) -> None:
        """Count on at a rate."""
        if rate != self._rate:
            self._before, self.samples, self._rate = self.seconds, 0, rate


def _silences(left: int, rate: int) -> Iterator[int]:
    while left > 0:
        count = min(left, round(_SECOND * rate))
        yield count
        left -= count


def _widened(samples: _Samples, channels: int) -> _Samples:
    """Cut channels, or add silent ones, where a file changes their number on the way."""
    if samples.shape[1] == channels:
        return samples
    found = np.zeros((len(samples), channels), np.float32)
    kept = min(channels, samples.shape[1])
    found[:, :kept] = samples[:, :kept]
    return found


def _note(spans: _Spans, begin: float, end: float) -> None:
    if spans and begin - spans[-1][1] < 1e-6:
        spans[-1] = (spans[-1][0], end)
    else:
        spans.append((begin, end))
