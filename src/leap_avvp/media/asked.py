"""What somebody asks to be extracted: a feature set and segments, said outright or by a data card."""

from __future__ import annotations

from pathlib import Path

from leap_avvp.card import named_features
from leap_avvp.card.features import known_features
from leap_avvp.card.read import MOST_SEGMENTS, read_card
from leap_avvp.errors import ConfigError
from leap_avvp.media.cards import card_there
from leap_avvp.media.engines import Engine
from leap_avvp.media.extraction import Job
from leap_avvp.media.extractor import Extractor, origins_of

__all__ = ["job_of"]


def job_of(
    out: Path,
    *,
    features: str | Path | None = None,
    card: Path | None = None,
    segments: int | None = None,
    seconds: float | None = None,
    device: str = "cpu",
    silence: bool = False,
    jobs: int | None = None,
    overwrite: bool = False,
    engine: Engine | None = None,
) -> Job:
    """Return what is to be made.

    Args:
        out: the folder; a card in it counts where ``card`` names none.
        features: name or file of a feature set; None: the card's.
        card: its file.
        segments, seconds: T and s of each; None: the card's, else 10 of 1 s.
        device, silence: see :class:`~leap_avvp.media.extractor.Extractor`.
        jobs, overwrite, engine: see :class:`~leap_avvp.media.extraction.Job`.

    Raises:
        ConfigError: no feature set, one that nothing here makes, or a number that the card contradicts.
        DataError: a card that is damaged, or not there.
    """
    file = card_there(out, card)
    read = None if file is None else read_card(file)
    if features is not None:
        found = named_features(features)
    elif read is not None:
        found = read.features
    else:
        raise ConfigError(f"--features: expected one of {', '.join(known_features())}, a YAML file, or --card FILE")
    for name, given, said in (
        ("--segments", segments, read and read.segments),
        ("--seconds", seconds, read and read.seconds),
    ):
        if given is not None and said is not None and given != said:
            raise ConfigError(f"{name}: expected {said}, as {file} says, found {given}; leave it out")
    count = segments or (read.segments if read is not None else 10)
    length = seconds or (read.seconds if read is not None else 1.0)
    if count > MOST_SEGMENTS or not 1e-3 <= length <= 3600:
        raise ConfigError(
            f"--segments, --seconds: expected up to {MOST_SEGMENTS} of 0.001 to 3600 s, found {count} of {length} s"
        )
    extractor = Extractor(origins_of(found), count, length, device, silence)
    return Job(found, extractor, None if read is None else read.ids, card, jobs, overwrite, engine)
