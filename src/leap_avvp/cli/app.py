"""The one command, ``leap-avvp``. Heavy libraries are imported by the sub-command that needs them."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from leap_avvp import __version__
from leap_avvp.errors import LeapError
from leap_avvp.cli import visualize as figures
from leap_avvp.tracking import wandb_sync
from leap_avvp.training.interrupts import Stopped

__all__ = ["build_parser", "main"]

_HYDRA_APPS = {
    "train": "train one configuration, or sweep over several with -m, and test the best epoch once",
    "evaluate": "score a checkpoint under a protocol",
}

_DESCRIPTION = """\
Audio-visual video parsing on LLP with LEAP (Zhou et al., ECCV 2024).

Without the real LLP features everything runs on simulated data, and says so."""

_EPILOG = """\
examples:
  leap-avvp train encoder=han decoder=mmil seed=0
  leap-avvp train -m loss.avss_weight=0.5,1,2 seed=1,2
  leap-avvp reproduce table6 --seeds 0,1,2
  leap-avvp data check /path/to/LLP"""


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or min(seeds) < 0 or len(set(seeds)) != len(seeds):
        raise argparse.ArgumentTypeError(f"expected different whole numbers separated by commas, found {text!r}")
    return seeds


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")
    return int(text)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str, example: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of everything but the Hydra apps' own arguments."""
    parser = argparse.ArgumentParser(
        prog="leap-avvp",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"leap-avvp {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, about in _HYDRA_APPS.items():
        commands.add_parser(name, help=about, add_help=False)

    reproduce = _add(
        commands,
        "reproduce",
        "run all cells of a table of the paper, resume what is unfinished, print and write the table",
        "leap-avvp reproduce table6 --data /path/to/LLP --seeds 0,1,2,3,4",
    )
    reproduce.add_argument("study", help="its name, such as table6; or `all`; `list` shows them and what they cost")
    reproduce.add_argument("overrides", nargs="*", help="Hydra overrides for every cell, such as trainer.max_epochs=2")
    reproduce.add_argument("--data", metavar="DIR", help="folder in LLP's real layout; without it data are simulated")
    reproduce.add_argument("--seeds", type=_seeds, metavar="N,N", help="training seeds (default: the study's own)")
    reproduce.add_argument(
        "--out", type=Path, metavar="DIR", help="where runs and tables go (default: outputs/STUDY-...)"
    )
    reproduce.add_argument(
        "--jobs", type=_jobs, metavar="N", help="cells side by side, each with its share of the cores (default: fit)"
    )
    reproduce.add_argument("--dry-run", action="store_true", help="show the cells and their state, run nothing")
    reproduce.add_argument(
        "--table-only", action="store_true", help="write the table from what is finished, run nothing"
    )

    data = _add(commands, "data", "simulate, check or pack a data folder", "leap-avvp data check /path/to/LLP")
    actions = data.add_subparsers(dest="action", metavar="ACTION", required=True)
    simulate = _add(
        actions,
        "simulate",
        "write simulated videos in LLP's real layout, which other programs can read too",
        "leap-avvp data simulate --out sim --annotations /path/to/annotations --limit 400",
    )
    simulate.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    simulate.add_argument(
        "--annotations", type=Path, metavar="DIR", help="use these six CSV files; simulate features only"
    )
    simulate.add_argument("--limit", type=int, metavar="N", help="at most N training videos")
    simulate.add_argument("--train", type=int, default=None, metavar="N", help="training videos without --annotations")
    simulate.add_argument("--val", type=int, default=None, metavar="N", help="validation videos, likewise")
    simulate.add_argument("--test", type=int, default=None, metavar="N", help="test videos, likewise")
    simulate.add_argument("--seed", type=int, default=0, metavar="N", help="which videos are drawn (default: 0)")
    simulate.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    check = _add(
        actions,
        "check",
        "check every id, file, shape, type and number of a folder in LLP's layout, and count the known dirt",
        "leap-avvp data check /path/to/LLP",
    )
    check.add_argument("root", type=Path, metavar="DIR", help="holds feats/, CLIP/, CLAP/ and the annotation files")
    check.add_argument("--annotations", type=Path, metavar="DIR", help="folder of the CSV files, where it is elsewhere")
    check.add_argument("--pseudo-labels", choices=("valor", "none"), default="valor", help="what training needs")

    pack = _add(
        actions,
        "pack",
        "turn a checked folder into one packed, memory-mapped set, which `data=llp` then reads; resumes if interrupted",
        "leap-avvp data pack /path/to/LLP",
    )
    pack.add_argument("root", type=Path, metavar="DIR", help="as for `data check`; the set goes to DIR/packed-float32")
    pack.add_argument("--annotations", type=Path, metavar="DIR", help="folder of the CSV files, where it is elsewhere")
    pack.add_argument(
        "--dtype",
        choices=("float32", "float16"),
        default="float32",
        help="of the features: float32 keeps them exactly (default); float16 halves the set and states its error",
    )
    pack.add_argument("--out", type=Path, metavar="DIR", help="folder of the set, where DIR cannot be written")
    pack.add_argument("--allow-missing", action="store_true", help="leave videos out whose files are missing")

    score = _add(
        commands,
        "score",
        "score anybody's predictions: an .npz with video_id (N,), audio and visual boolean (N, 10, 25)",
        "leap-avvp score --predictions predictions.npz --annotations /path/to/annotations --split test",
    )
    score.add_argument("--predictions", type=Path, required=True, metavar="FILE")
    score.add_argument("--annotations", type=Path, required=True, metavar="DIR", help="folder of LLP's CSV files")
    score.add_argument("--split", choices=("val", "test"), default="test")
    score.add_argument(
        "--filter",
        choices=("none", "union", "per_modality"),
        default="none",
        help="keep a segment only where the file's video-level prediction holds the event (default: none, as given)",
    )
    score.add_argument("--allow-missing", action="store_true", help="score the videos that are there")
    score.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there, unrounded")

    convert = _add(
        commands,
        "convert",
        "turn a released program's weights into a checkpoint, or a checkpoint into released weights",
        "leap-avvp convert MM_Pyramid_LEAP.pt leap.ckpt --label-embedding llp_label_glove_embeddings.pt",
    )
    convert.add_argument("source", type=Path, help="the direction is told from what it holds")
    convert.add_argument("target", type=Path)
    convert.add_argument(
        "--label-embedding", type=Path, metavar="FILE", help="needed to import LEAP's released weights"
    )
    wandb_sync.add_arguments(commands)
    figures.add_arguments(commands)
    return parser


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = build_parser()
    arguments, rest = parser.parse_known_args(words)
    stray = [word for word in rest if word.startswith("-") or "=" not in word]
    if stray or (rest and arguments.command != "reproduce"):
        parser.error(f"unrecognized arguments: {' '.join(stray or rest)}")
    if rest:  # argparse takes overrides only right behind the study's name
        arguments.overrides = [*arguments.overrides, *rest]
    return arguments


def _run_data(arguments: argparse.Namespace) -> int:
    from leap_avvp.cli import data_simulate as commands

    if arguments.action == "check":
        return commands.check(arguments.root, arguments.annotations, arguments.pseudo_labels)
    if arguments.action == "pack":
        return commands.pack(
            arguments.root, arguments.annotations, arguments.dtype, arguments.out, arguments.allow_missing
        )
    sizes = {"num_train": arguments.train, "num_val": arguments.val, "num_test": arguments.test}
    return commands.simulate(
        arguments.out,
        arguments.annotations,
        arguments.limit,
        {name: value for name, value in sizes.items() if value is not None},
        arguments.seed,
        arguments.overwrite,
    )


def _run_score(arguments: argparse.Namespace) -> int:
    from leap_avvp.cli import data_simulate as commands

    return commands.score(
        arguments.predictions,
        arguments.annotations,
        arguments.split,
        arguments.filter,
        arguments.allow_missing,
        arguments.json,
    )


def _run_convert(arguments: argparse.Namespace) -> int:
    from leap_avvp.released.convert import convert

    print(convert(arguments.source, arguments.target, arguments.label_embedding))
    return 0


def _run_reproduce(arguments: argparse.Namespace) -> int:
    from leap_avvp import studies

    if arguments.study == "list":
        return studies.print_studies()
    run = functools.partial(studies.reproduce, arguments.study)
    if arguments.study == "all":
        run = functools.partial(studies.reproduce_all)
    return run(
        data=arguments.data,
        seeds=arguments.seeds,
        out=arguments.out,
        overrides=arguments.overrides,
        dry_run=arguments.dry_run,
        table_only=arguments.table_only,
        jobs=arguments.jobs,
    )


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "data": _run_data,
    "score": _run_score,
    "convert": _run_convert,
    "reproduce": _run_reproduce,
    "visualize": figures.run,
    "wandb-sync": wandb_sync.run,
}


def _told(error: BaseException) -> int:
    """Tell in one line why the command ends; return its exit code."""
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, KeyboardInterrupt | Stopped):
        print("interrupted" if isinstance(error, KeyboardInterrupt) else error, file=sys.stderr)
        return error.exit_code if isinstance(error, Stopped) else 130
    if isinstance(error, OSError):  # a path of 5,000 characters, a folder without permission, a drive that is gone
        print(f"error: {str(error.filename or 'file')[:200]}: {error.strerror or error}", file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 done, 1 failed, 2 something to mend, 128 + n ended by signal n."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words and words[0] in _HYDRA_APPS:
            from leap_avvp.cli.hydra_app import run_app

            return run_app(words[0], _HYDRA_APPS[words[0]], words[1:])
        arguments = _parse(words)
        return _COMMANDS[arguments.command](arguments)
    except (LeapError, OSError, KeyboardInterrupt, Stopped) as error:
        return _told(error)
