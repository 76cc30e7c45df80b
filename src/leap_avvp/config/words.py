"""The words of a command line as Hydra's grammar takes them: paths and free text stand there as they are.

Hydra reads values by a grammar of its own, in which brackets, commas, ``=``, ``#``, ``~`` and letters with accents mean
something else, or nothing. Where a value cannot be read, or would be read as something else than the path that it is,
it is put into quotes here; what is read as it was written stays.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from leap_avvp.config.groups import is_nested_option, keys_of, option_files, valid_names
from leap_avvp.config.lightning import SAID_OTHERWISE, trainer_arguments
from leap_avvp.config.paths import HYDRA_PLACES, PLACES, exists, in_full
from leap_avvp.errors import ConfigError, DataError

__all__ = ["checkpoint_word", "quote", "readable"]

_WORD = re.compile(r"(?P<sign>\+{0,2})(?P<key>[A-Za-z_$][\w$./@:-]*)=(?P<value>.*)", re.DOTALL)


def quote(value: object) -> str:
    """Return a text as Hydra's override grammar reads it back unchanged: bare where that works, else in quotes."""
    text = str(value)
    bare = _parse(f"key={text}")
    if bare is not None and "$" not in text and not bare.is_sweep_override() and bare.value() == text:
        return text
    return _quoted(text)


def readable(words: Sequence[str], multirun: bool = False) -> list[str]:
    """Return overrides as Hydra reads them; those that it reads already are unchanged.

    Args:
        words: overrides as a shell hands them over.
        multirun: commas separate the values of a sweep, except in the name of a file that is there.

    Raises:
        ConfigError: a value that no option of a group can be.
    """
    return [new for word in words for new in _readable(word, multirun)]


def checkpoint_word(words: Sequence[str], multirun: bool = False) -> list[str]:
    """Return the words of ``evaluate`` with the paths among them as ``checkpoint=PATH``.

    Raises:
        ConfigError: several paths without ``-m``, or a path beside ``checkpoint=``.
        DataError: a word that is no override, and nothing of that name is there.
    """
    paths = [word for word in words if _is_path(word)]
    if not paths:
        return list(words)
    rest = [word for word in words if word not in paths]
    for path in paths:
        if not exists(path):
            raise DataError(f"{path}: no such checkpoint file or folder of a run; expected PATH or key=value")
    if any(word.lstrip("+").startswith("checkpoint=") for word in rest):
        raise ConfigError(f"checkpoint: expected one, found {paths[0]} beside checkpoint=PATH; leave one out")
    if len(paths) > 1 and not multirun:
        raise ConfigError(f"checkpoint: expected one, found {len(paths)} ({paths[0]}, ...); -m evaluates each")
    return [f"checkpoint={','.join(_quoted(in_full(path)) for path in paths)}", *rest]


def _is_path(word: str) -> bool:
    """Say whether a word is no override; the folder of a sweep's job, ``seed=1,data=llp``, is one if it is there."""
    if word.startswith(("~", "+")) and not exists(word):
        return word.startswith("~/")
    if "=" not in word:
        return True
    key = word.partition("=")[0].lstrip("+")
    return exists(word) and key not in valid_names("evaluate") and not key.startswith("hydra")


def _readable(word: str, multirun: bool) -> list[str]:
    if word.startswith("="):
        raise ConfigError(f"{word}: expected key=value, found no key")
    found = _WORD.fullmatch(word)
    if found is None:
        return [word]
    key, value = found["key"], found["value"]
    if key in SAID_OTHERWISE:
        raise ConfigError(f"{key}: no option here; {SAID_OTHERWISE[key]}")
    head = f"{found['sign'] or ('++' if _is_lightnings(key) else '')}{key}="
    word = head + value
    parsed = _parse(word)
    if parsed is None:
        # Begun as something else than text: Hydra says what is wrong with it.
        quotes = ("'", '"') if key in (*PLACES, *HYDRA_PLACES) else ("'", '"', "[", "{")
        begun = (value.startswith(quotes) or ("${" in value and "}" not in value)) and not exists(value)
        return [word if begun else head + _as_text(key, value, multirun)]
    if key in option_files():
        return _choice(head, key, parsed)
    if key in (*PLACES, *HYDRA_PLACES):
        if not _is_read(key, value, parsed, multirun):
            return [head + _as_text(key, value, multirun)]
        text = parsed.value()
        if key in HYDRA_PLACES and isinstance(text, str) and text.startswith("~"):
            return [head + _quoted(in_full(text), literal=False)]
    return [word]


def _is_lightnings(key: str) -> bool:
    """Say whether a key is an argument of Lightning's trainer that ``conf/trainer`` leaves out."""
    group, _, name = key.partition(".")
    return group == "trainer" and name not in keys_of("trainer") and name in trainer_arguments()


def _is_read(key: str, value: str, parsed: Override, multirun: bool) -> bool:
    """Say whether a place is read as the text that stands there."""
    there = exists(value)
    if parsed.is_sweep_override():
        if parsed.value_type != ValueType.SIMPLE_CHOICE_SWEEP:
            return not there  # choice(a,b)
        return multirun and key not in HYDRA_PLACES and _files(value) in (None, value.split(","))
    found = parsed.value()
    if found is None or isinstance(parsed._value, QuotedString):
        return True
    if isinstance(found, list | dict) or "\\" in value:
        return not there  # a list, or special characters that somebody has escaped
    return str(found) == value


def _as_text(key: str, value: str, multirun: bool) -> str:
    if multirun and key in PLACES:
        files = _files(value)
        if files is not None:
            return ",".join(map(_quoted, files))
    if key in HYDRA_PLACES:
        value = in_full(value)
    return _quoted(value, literal=exists(value))


def _files(text: str) -> list[str] | None:
    """Return the files and folders that a text with commas lists, names with commas among them; None if it does not."""
    parts = text.split(",")
    for length in range(1, len(parts) + 1):
        first, rest = ",".join(parts[:length]), parts[length:]
        if exists(first):
            others = _files(",".join(rest)) if rest else []
            if others is not None:
                return [first, *others]
    return None


def _choice(head: str, key: str, parsed: Override) -> list[str]:
    """Return the words for one choice of a config group: an option's name, or a node written inline."""
    value = parsed.value()
    if isinstance(value, dict) and not head.startswith("+"):  # in the place of the option, with none of its keys left
        return [f"~{key}", f"++{parsed.input_line}"]
    if value is None or isinstance(value, int | float):
        raise ConfigError(f"{key}: expected one of {', '.join(option_files()[key])}, found {value!r}")
    if not option_files()[key] and not is_nested_option(key, str(value)):  # which Hydra would pass over in silence
        raise ConfigError(f"{key}: expected NAME/DATA as conf/{key} has them, found {value!r}; system=NAME chooses it")
    return [str(parsed.input_line)]


def _parse(word: str) -> Override | None:
    with contextlib.suppress(HydraException):
        return OverridesParser.create().parse_override(word)
    return None


def _quoted(text: str, literal: bool = True) -> str:
    """Return a text in quotes; a ``literal`` one has no references, which OmegaConf would follow even there."""
    return QuotedString(text.replace("${", "\\${") if literal else text, Quote.double).with_quotes()
