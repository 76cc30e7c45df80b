"""``leap-avvp train`` and ``leap-avvp evaluate``: Hydra's own command line around one job."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import hydra
from hydra._internal.utils import get_args_parser  # the parser that hydra.main uses, and no other knows its flags
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from leap_avvp.config.explain import explain
from leap_avvp.config.groups import CONFIG_MODULE, config_groups, launchers, register_resolvers
from leap_avvp.config.trust import check_config_folder
from leap_avvp.config.words import checkpoint_word, readable
from leap_avvp.errors import ConfigError, DataError, LeapError

__all__ = ["ForgetConfigs", "help_text", "run_app"]


class ForgetConfigs(Callback):
    """Lets go of a job's configs when it has ended: Hydra holds them all until a sweep ends, 150 kB a job."""

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Keep what a sweeper looks at: the overrides and the value."""
        job_return.cfg = None
        job_return.hydra_cfg = None


register_resolvers()  # here, because the processes of launchers import this module and call nothing else

_FULL_ERROR = "HYDRA_FULL_ERROR"
_GRID = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"  # tries every combination, and chooses none
_EXAMPLES = {
    "train": (
        "leap-avvp train encoder=han decoder=mmil seed=0",
        "leap-avvp train -m loss.avss_weight=0.5,1,2 seed=1,2",
        "leap-avvp train -m experiment=table6",
        "leap-avvp train data=llp data.root=/path/to/LLP logger=wandb",
        "leap-avvp train --cfg job",
    ),
    "evaluate": (
        "leap-avvp evaluate outputs/train/RUN",
        "leap-avvp evaluate RUN/checkpoints/best.ckpt protocol=per_modality split=val",
        "leap-avvp evaluate RUN protocols=[union,mixed,strict] annotation_versions=[old,corrected]",
        "leap-avvp evaluate RUN protocol=tuned",
        "leap-avvp evaluate -m best.ckpt protocol=union,per_modality,none",
    ),
}


def help_text(name: str, about: str) -> str:
    """Return what ``leap-avvp train --help`` prints: examples, config groups and where the keys are listed."""
    groups = "\n".join(f"  {group}={'|'.join(options)}" for group, options in sorted(config_groups(name).items()))
    examples = "\n".join(f"  {example}" for example in _EXAMPLES[name])
    command = "evaluate PATH" if name == "evaluate" else name
    return (
        f"usage: leap-avvp {command} [group=option ...] [key=value ...] [-m] [--cfg job]\n\n"
        f"{about[0].upper() + about[1:]}.\n\n"
        f"examples:\n{examples}\n\n"
        f"groups:\n{groups}\n"
        f"  hydra/launcher={'|'.join(launchers())} (with -m: jobs side by side)\n\n"
        "  -m, --multirun   run every combination of values separated by commas, each in a folder of its own\n"
        "  --cfg job        print the composed config (all keys), run nothing; add --resolve to fill references in\n"
        "  --hydra-help     Hydra's further flags\n"
    )


def _train(config: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    from leap_avvp.config.job import training_job
    from leap_avvp.training.run import run

    return run(training_job(config, overrides))


def _evaluate(config: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    from leap_avvp.config.job import evaluation_job
    from leap_avvp.training.evaluate import evaluate

    return evaluate(evaluation_job(config, overrides))


def _speaks() -> bool:
    """Say whether this process tells the results: the only one, or the first under torchrun."""
    from leap_avvp.training.trainer import is_main_process

    return is_main_process()


def _print_scores(result: dict[str, Any], split: str) -> None:
    from leap_avvp.scoring.report import print_result

    print_result(result, split)


def _optimises() -> bool:
    """Say whether the jobs are those of a sweeper that chooses values by what they return (Optuna and the like)."""
    settings = HydraConfig.get()
    return settings.mode == RunMode.MULTIRUN and settings.sweeper.get("_target_") != _GRID


def _chosen_by(name: str, result: dict[str, Any], config: DictConfig) -> float | None:
    """Return what a sweeper may choose by: the validation score that has picked the epoch, never one of the test."""
    if name == "train":
        return float(result["monitor"]["value"])
    return float(result["scores"]["average"]) if config.split == "val" else None


def _work(name: str, config: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    if name == "evaluate" and config.split != "val" and _optimises():
        raise ConfigError(
            f"split: expected val under a sweeper that chooses by the score, found {config.split!r}; add split=val"
        )
    return {"train": _train, "evaluate": _evaluate}[name](config, overrides)


def _job(name: str, failures: list[tuple[str, LeapError]]) -> Callable[[DictConfig], float | None]:
    def job(config: DictConfig) -> float | None:
        settings = HydraConfig.get()
        given = cast("list[str]", OmegaConf.to_container(settings.overrides.task))  # as typed, `${...}` not followed
        _note_one_of_many(settings, given)
        try:
            result = _work(name, config, given)
        except LeapError as error:
            # Not raised: Hydra would print a page, tell only the first failure of a sweep, and only at its end.
            label = name
            if settings.mode == RunMode.MULTIRUN:
                label = f"job {settings.job.num} ({', '.join(given)})"
                print(f"error: {label}: {error}", file=sys.stderr, flush=True)
                if _optimises() or not str(settings.launcher.get("_target_", "")).endswith(".BasicLauncher"):
                    raise  # only what is raised reaches a sweeper that waits for a score, or a process that waits
            failures.append((label, error))
            return None
        if _speaks():
            _print_scores(result, "test" if name == "train" else str(config.split))
            print(f"written: {config.output_dir}", flush=True)
        return _chosen_by(name, result, config)

    return job


def _arrange(name: str, words: Sequence[str]) -> list[str]:
    """Return the words as Hydra takes them: flags first, then the overrides, with paths and free text in quotes.

    Raises:
        LeapError: a word that no command line can have.
    """
    parser = get_args_parser()
    parser.prog = f"leap-avvp {name}"
    given = parser.parse_intermixed_args(list(words))
    left, flags = list(given.overrides), []
    for word in words:
        if left and word == left[0]:
            del left[0]
        else:
            flags.append(word)
    overrides = list(given.overrides)
    if name == "evaluate":
        overrides = checkpoint_word(overrides, given.multirun)
    overrides = readable(overrides, given.multirun)
    if given.cfg is None and given.info is None:
        _note_repeated(overrides)
    return [*flags, *overrides]


def _note_repeated(overrides: Sequence[str]) -> None:
    """Say which of two values holds: Hydra takes the last without a word."""
    last: dict[str, str] = {}
    for word in overrides:
        key = word.lstrip("+").partition("=")[0]
        if not word.startswith("~") and last.setdefault(key, word) != word:
            print(f"note: {key} is given twice, {last[key]} and {word}; {word} holds")
            last[key] = word


def _note_one_of_many(settings: HydraConf, given: Sequence[str]) -> None:
    """Say that an experiment is a sweep, where one run of it was asked for."""
    keys = [word.lstrip("+").partition("=")[0] for word in given]
    left = [str(key) for key in settings.sweeper.get("params") or {} if key not in keys]
    if settings.mode == RunMode.RUN and left:
        name = settings.runtime.choices["experiment"]
        print(f"note: experiment={name} sweeps over {', '.join(left)}; -m runs it all")


def _check_sources(words: Sequence[str]) -> None:
    """Look through the files that the command line adds to the package's own configs, before Hydra acts on them.

    Raises:
        ConfigError: a file that would call what is not trusted, or a pickled job.
    """
    given = get_args_parser().parse_args(list(words))
    if given.experimental_rerun is not None:
        raise ConfigError(
            "--experimental-rerun: expected a command line, found a pickle, which is not loaded; "
            "the job's own words are in its folder's .hydra/overrides.yaml"
        )
    searched = [text for text in given.overrides if text.lstrip("+~").startswith("hydra.searchpath")]
    folders = [given.config_dir, given.config_path]
    folders += [part.removeprefix("file://") for text in searched for part in re.split(r"[=,\[\]'\"]+", text)[1:]]
    for folder in folders:
        if folder and Path(folder).is_dir():
            check_config_folder(Path(folder))


@contextlib.contextmanager
def _as_command(name: str, words: Sequence[str]) -> Iterator[None]:
    """Show Hydra the command line where it looks for one; a program that calls gets its own back."""
    argv, told = sys.argv, os.environ.get(_FULL_ERROR)
    sys.argv = [f"leap-avvp {name}", *words]
    os.environ[_FULL_ERROR] = "1"  # errors come here, where they become one line, instead of ending the process
    try:
        yield
    finally:
        sys.argv = argv
        if told is None:
            del os.environ[_FULL_ERROR]
        else:
            os.environ[_FULL_ERROR] = told


def run_app(name: str, about: str, words: Sequence[str]) -> int:
    """Run a Hydra app with the words of its command line; return the exit code.

    Raises:
        LeapError: a wrong key, value or file, in one line.
    """
    if any(word in ("-h", "--help") for word in words):
        print(help_text(name, about))
        return 0
    words = _arrange(name, words)
    _check_sources(words)
    failures: list[tuple[str, LeapError]] = []
    decorate = hydra.main(version_base="1.3", config_path=f"pkg://{CONFIG_MODULE}", config_name=name)
    try:
        with _as_command(name, words):
            decorate(_job(name, failures))()
    except (HydraException, OmegaConfBaseException) as error:
        raise explain(error, name) from error
    except OSError as error:
        raise DataError(f"{error.filename or 'output'}: {error.strerror}; results go to hydra.run.dir=DIR") from error
    if not failures:
        return 0
    if failures[0][0] == name:
        raise failures[0][1]
    print(f"failed: {len(failures)} jobs: {'; '.join(label for label, _ in failures)}", file=sys.stderr)
    return 2
