"""``leap-avvp refine``: weak labels into labels of segments as LSLD refines them, by texts of subsets of labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leap_avvp.card import DataCard
    from leap_avvp.data.pseudo.similarities import Similarities

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "refine"
ABOUT = "refine weak labels into labels of segments as LSLD does: which of its labels a segment is most like"
EXAMPLE = """\
leap-avvp refine LLP --labels AVVP_train.csv --out LLP/refined
leap-avvp refine similarities.npz --labels AVVP_train.csv --out LLP/refined --stage 1"""

_RECORD = "refined.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the similarities, the weak labels, the options and where the labels go."""
    parser.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a data folder with LSLD's features; or an .npz of cosines by a teacher of your own, with video_id (N,), "
        "audio and visual (N, T, S), texts (N, S) (docs/extract.md)",
    )
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="CSV", help="weak labels: columns filename and event_labels"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="gets audio/ and visual/, for data.pseudo_labels=OUT"
    )
    parser.add_argument(
        "--stage", type=int, choices=(1, 2), default=2, help="1: the best subset of a video's labels; 2: then soft (2)"
    )
    parser.add_argument("--event-ratio", type=_ratio, default=4.0, metavar="X", help="of labelled segments (4)")
    parser.add_argument("--noise-ratio", type=_ratio, default=0.4, metavar="X", help="of unlabelled ones (0.4)")
    parser.add_argument(
        "--card", type=Path, metavar="FILE", help="data card (default: dataset.yaml in SOURCE, else LLP's)"
    )
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default) or cuda")
    parser.add_argument("--overwrite", action="store_true", help="replace the labels of these videos")


def _ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
    return value


def run(arguments: argparse.Namespace) -> int:
    """Refine, and say what was found; return 0.

    Raises:
        ConfigError: a folder that holds other labels.
        DataError: labels, similarities, features or weights that are not there, or cannot be used.
    """
    import numpy as np

    from leap_avvp.card.dataset import CARD_FILE
    from leap_avvp.card.read import card_of
    from leap_avvp.data.annotations.rows import read_weak_rows
    from leap_avvp.data.pseudo.refine import MOST_LABELS, class_similarities, pick_subsets, reweight
    from leap_avvp.errors import DataError
    from leap_avvp.files import folder_lock, write_json
    from leap_avvp.media.arrays import write_array

    source, out = arguments.source, arguments.out
    card = card_of(source if (source / CARD_FILE).is_file() else None, arguments.card)
    if not arguments.labels.exists() and not arguments.labels.is_symlink():
        raise DataError(f"{arguments.labels}: expected a file of weak labels, found none")
    names = {row.name: row.events for row in read_weak_rows(arguments.labels, card=card)}
    ids = [card.video_id(name) for name in names]
    weak = np.array([np.isin(np.arange(card.num_classes), events) for events in names.values()])
    weak = weak.reshape(-1, card.num_classes)
    found = _similarities(source, ids, weak, card, arguments.device)
    labels: dict[str, Any] = {"audio": pick_subsets(found.audio, weak), "visual": pick_subsets(found.visual, weak)}
    told = []
    if arguments.stage == 2:
        hard = labels["visual"]
        cosines = class_similarities(found.visual, weak)
        labels["visual"] = reweight(hard, cosines, arguments.event_ratio, arguments.noise_ratio)
        changed = labels["visual"] != hard
        told = [f"seen: {int((changed & hard).sum()):,} labels made soft, {int((changed & ~hard).sum()):,} added"]
    with folder_lock(out):
        _check_folder(out, ids, arguments.overwrite)
        (out / _RECORD).unlink(missing_ok=True)  # while it is not there, the labels need not be of one kind
        for modality, grid in labels.items():
            for name, array in zip(ids, grid, strict=True):
                write_array(out / modality / f"{name}.npy", array.astype(np.float32))
        kept = int((weak.sum(axis=1) > MOST_LABELS).sum())
        cells = max(1, int(weak.sum()) * card.segments)
        shares = {modality: float(grid.sum()) / cells for modality, grid in labels.items()}
        record = {"refined by": "LSLD", "of": str(source), "stage": arguments.stage}
        record |= {"event_ratio": arguments.event_ratio, "noise_ratio": arguments.noise_ratio} if told else {}
        record |= {"videos": len(ids), "kept their weak label": kept, "share": shares}
        write_json(
            record | {"segments": card.segments, "words": dict(zip(card.classes, found.words, strict=True))},
            out / _RECORD,
        )
    heard, seen = (f"{100 * shares[modality]:.0f} %" for modality in ("audio", "visual"))
    print(f"{out}: labels of {len(ids):,} videos, refined as LSLD does, stage {arguments.stage}")
    print(f"of the segments of the events in the weak labels, {heard} are heard and {seen} seen")
    for line in told:
        print(line)
    if kept:
        of = f"{kept:,} video{'s' * (kept != 1)} of more than {MOST_LABELS} labels"
        print(f"in {of}, all of them stand in every segment")
    if found.others:
        print(f"{source}: what is there of other videos is not read ({found.others:,})")
    return 0


def _similarities(source: Path, ids: list[str], weak: Any, card: DataCard, device: str) -> Similarities:
    """Return those of a file, or of a folder's features."""
    from leap_avvp.data.pseudo.refine import subset_texts
    from leap_avvp.data.pseudo.similarities import Similarities, class_words, read_similarities
    from leap_avvp.errors import DataError

    if source.suffix == ".npz":
        return read_similarities(source, ids, weak, card)
    if not source.is_dir():
        raise DataError(f"{source}: expected a data folder, or an .npz of similarities, found neither")
    from leap_avvp.inference.parser import device_named
    from leap_avvp.media.text_similarities import text_similarities

    words = class_words(card)
    texts = [subset_texts(words, one) for one in weak]
    grids = text_similarities(
        source, ids, texts, card.segments, device=device if device == "cpu" else str(device_named(device))
    )
    return Similarities(grids["audio"], grids["visual"], words)


def _check_folder(out: Path, ids: list[str], overwrite: bool) -> None:
    """Refuse to mix labels.

    Raises:
        ConfigError: labels are there, or those of other videos.
    """
    from leap_avvp.errors import ConfigError

    there = {path.stem for part in ("audio", "visual") for path in (out / part).glob("[!.]*.npy")}
    if there and not overwrite:
        raise ConfigError(f"{out}: labels of {len(there):,} videos are there; use another --out, or --overwrite")
    others = there - set(ids)
    if others:
        raise ConfigError(
            f"{out}: labels of other videos are there ({len(others):,}, first {min(others)}); use another --out"
        )
