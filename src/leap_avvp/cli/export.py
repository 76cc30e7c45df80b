"""``leap-avvp export``: a trained model for others, without the machine that it was trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["ABOUT", "EXAMPLE", "NAME", "add_arguments", "run"]

NAME = "export"
ABOUT = "write a trained model as model.safetensors, config.json and a model card (README.md)"
EXAMPLE = """\
leap-avvp export outputs/train/RUN exported --license cc-by-4.0
leap-avvp export outputs/train/RUN exported --onnx --int8"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the checkpoint, the folder and the options."""
    parser.add_argument("checkpoint", metavar="CKPT", help="a checkpoint, or the folder of a run")
    parser.add_argument("folder", type=Path, metavar="DIR", help='leap_avvp.load("DIR") reads it')
    parser.add_argument("--license", metavar="NAME", help="of the weights, as the Hugging Face hub calls it: mit, ...")
    parser.add_argument("--onnx", action="store_true", help="also write model.onnx, which runs without torch")
    parser.add_argument(
        "--int8", action="store_true", help="with --onnx: also write model-int8.onnx, smaller and faster on a CPU"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model that DIR holds")


def run(arguments: argparse.Namespace) -> int:
    """Write the model and say where; return 0.

    Raises:
        LeapError: a checkpoint that cannot be read, or a folder that holds a model or cannot be written.
    """
    from leap_avvp.inference.export import export_model

    folder = export_model(
        arguments.checkpoint,
        arguments.folder,
        arguments.license,
        arguments.overwrite,
        onnx=arguments.onnx,
        int8=arguments.int8,
    )
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB; leap_avvp.load({str(folder)!r}) reads it; look README.md through first")
    return 0
