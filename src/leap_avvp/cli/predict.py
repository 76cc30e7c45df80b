"""``leap-avvp predict``: what a trained model says of the videos of a folder."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from leap_avvp.cli.arguments import add_card, add_link_store, count, in_flags

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "predict"
ABOUT = "parse the videos of a folder with a trained model; write probabilities and events"
EXAMPLE = """\
leap-avvp predict --checkpoint outputs/train/RUN --data /path/to/my/videos
leap-avvp predict --checkpoint exported --data /path/to/LLP --split test --out predictions/test"""

_FLAGS = {
    "data.root": "--data",
    "data.annotations": "--annotations",
    "data.allow_missing": "--allow-missing",
    "data.link_store": "--link-store",
    "data.packed": "--packed",
    "data.card": "--card",
    "features=NAME": "--features NAME",
}
_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the model, the videos and where the results go."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="CKPT",
        help="a checkpoint, the folder of a run, an exported folder, or hub:owner/name",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds the folders of features")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="videos of an annotation file (default: test, if there is one)",
    )
    which.add_argument(
        "--unlabelled",
        action="store_true",
        help="all videos with a file in each folder of features (default where DIR has no annotation files)",
    )
    parser.add_argument(
        "--annotations", type=Path, metavar="DIR", help="folder of the CSV files, where it is elsewhere"
    )
    add_card(parser)
    parser.add_argument(
        "--packed",
        default="auto",
        metavar="WHICH",
        help="packed set to read: auto (default: the float32 one, if any), off, float32, float16 or its folder",
    )
    add_link_store(parser)
    parser.add_argument("--allow-missing", action="store_true", help="leave videos out whose files are missing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: predictions/TIME)")
    parser.add_argument("--overwrite", action="store_true", help="replace predictions of something else there")
    parser.add_argument("--batch-size", type=count, default=128, metavar="N", help="videos a step (default: 128)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="cpu, cuda or auto (default)")


def run(arguments: argparse.Namespace) -> int:
    """Write the predictions, and say what they are; return 0.

    Raises:
        LeapError: a model or videos that cannot be read, of two cards, or a folder that holds something else.
    """
    from leap_avvp.inference.loading import load
    from leap_avvp.inference.parser import device_named
    from leap_avvp.inference.predictions import predict
    from leap_avvp.inference.videos import open_videos

    out = arguments.out or Path("predictions") / time.strftime("%Y-%m-%d_%H-%M-%S")
    with in_flags(_FLAGS):
        device = device_named(arguments.device)
        parser = load(arguments.checkpoint).to(device)
        videos = open_videos(
            arguments.data,
            parser.card,
            parser.source,
            split=arguments.split,
            unlabelled=arguments.unlabelled,
            annotations=arguments.annotations,
            card=arguments.card,
            features=arguments.features,
            packed=arguments.packed,
            allow_missing=arguments.allow_missing,
            link_store=arguments.link_store,
        )
        done = predict(parser, videos, out, batch_size=arguments.batch_size, overwrite=arguments.overwrite)
    which = f"{videos.split} videos" if videos.split else "videos without annotations"
    marks = [
        *([f"{videos.data_source} data"] if videos.data_source != "simulated" else ["SIMULATED data"]),
        *(["a model that was trained on SIMULATED data"] if parser.trained_on == "simulated" else []),
    ]
    heard, seen = done.events["audio"], done.events["visual"]
    print(f"{done.folder}: {done.videos:,} {which} ({'; '.join(marks)}), {heard:,} events heard, {seen:,} seen")
    if done.left_out:
        more = ", ..." if len(done.left_out) > _SHOWN else ""
        print(f"left out, files missing: {len(done.left_out):,}: {', '.join(done.left_out[:_SHOWN])}{more}")
    print(f"protocol: {parser.protocol.name}")
    return 0
