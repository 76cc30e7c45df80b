"""Raw video: decoding, pretrained networks, and what they say. The extra ``media`` is imported when it is used."""

from leap_avvp.media.decode import (
    AudioBlocks,
    Clip,
    MediaInfo,
    audio_blocks,
    constant_rate,
    frames_at,
    probe,
    read_audio,
    sound_spans,
    stretched,
)

__all__ = [
    "AudioBlocks",
    "Clip",
    "MediaInfo",
    "audio_blocks",
    "constant_rate",
    "frames_at",
    "probe",
    "read_audio",
    "sound_spans",
    "stretched",
]
