"""A parser as an ONNX file: torch's exporter draws its graph, and the file says what it was trained on and for."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from leap_avvp.card import DataCard
from leap_avvp.errors import ConfigError
from leap_avvp.inference.exported import model_content
from leap_avvp.inference.parser import PROBABILITIES, Parser
from leap_avvp.media.extras import need
from leap_avvp.models import VideoParser

__all__ = ["ONNX_FILES", "ONNX_FORMAT", "ONNX_KEY", "FourAxes", "check_onnx", "onnx_files", "onnx_page"]

ONNX_FORMAT = "leap-avvp/onnx/1"
ONNX_KEY = "leap_avvp"
"""Among the file's metadata: JSON of the format, the config with its card, and what the model was trained on."""
ONNX_FILES = ("model.onnx", "model-int8.onnx")
"""Of float32, and of weights with 8 bits."""
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_LOGGERS = ("", "torch.onnx", "onnxscript", "onnx_ir")
_EXAMPLES = 2  # of one video torch would take the batch for a constant


class FourAxes(TorchFunctionMode):
    """Gives fused attention (..., H, L, D) four axes, without which torch has no ONNX for it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not nn.functional.scaled_dot_product_attention or args[0].dim() == 4:
            return func(*args, **(kwargs or {}))
        query, key, value, *more = args
        four = (each.reshape(-1, *each.shape[-3:]) for each in (query, key, value))
        return func(*four, *more, **(kwargs or {})).reshape(*query.shape[:-1], value.shape[-1])


class _Probabilities(nn.Module):
    """What a user reads of a parser's output, in the order of ``PROBABILITIES``."""

    def __init__(self, model: VideoParser) -> None:
        super().__init__()
        self.model = model

    def forward(self, audio: Tensor, video_2d: Tensor, video_3d: Tensor | None = None) -> tuple[Tensor, ...]:
        with FourAxes():
            out = self.model(audio=audio, video_2d=video_2d, video_3d=video_3d)
        return tuple(out[name] for name in PROBABILITIES)


def check_onnx() -> None:
    """Look for what writes ONNX files.

    Raises:
        ConfigError: a package that is not installed.
    """
    for name in _PACKAGES:
        need(name, "onnx")


def onnx_files(parser: Parser, model: VideoParser, int8: bool = False) -> dict[str, bytes]:
    """Return the ONNX files of a parser by their names, for any number of videos.

    Their inputs are the streams of the card, float32 segments (videos, T, F); their outputs the five probabilities that
    :meth:`~leap_avvp.inference.parser.Parser.parse_segments` tells of.

    Args:
        parser: what to write of.
        model: its network.
        int8: also return one whose matrices of weights are integers of 8 bits.

    Raises:
        ConfigError: a model that torch cannot export, with torch's reason.
    """
    plain, small = ONNX_FILES
    content = _exported(parser, model)
    return {plain: content, small: _int8(content)} if int8 else {plain: content}


def _exported(parser: Parser, model: VideoParser) -> bytes:
    segments = parser.card.segments
    examples = {
        name: torch.zeros(_EXAMPLES, segments, stream.width) for name, stream in parser.card.features.streams.items()
    }
    videos = torch.export.Dim("videos")
    try:
        with _quiet():
            program = torch.onnx.export(
                _Probabilities(model).eval(),
                (),
                kwargs=examples,
                input_names=list(examples),
                output_names=list(PROBABILITIES),
                dynamic_shapes={name: {0: videos} for name in examples},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # of torch's exporter, which has many
        cause: BaseException = error
        while cause.__cause__ is not None:  # on top are hints for those who write exporters
            cause = cause.__cause__
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:200]
        raise ConfigError(f"{parser.source}: torch cannot export this model as ONNX ({reason})") from error
    assert program is not None
    return _with_content(program.model_proto, {**model_content(parser, ONNX_FORMAT), "weights": "float32"})


def _int8(content: bytes) -> bytes:
    """Return an ONNX file with integers of 8 bits in place of its matrices of weights, and a scale for each column.

    What they are multiplied by is rounded to 8 bits while the model runs, by its own range ("dynamic"); everything else
    stays float32. Weights take 7 of the bits, so that no processor's 16-bit sums run over.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    head = json.loads(next(entry.value for entry in model.metadata_props if entry.key == ONNX_KEY))
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / ONNX_FILES[1]
        quantize_dynamic(
            _folded(content, Path(folder)),
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        return _with_content(onnx.load(path), {**head, "weights": "int8"})


def onnx_page(card: DataCard, files: Sequence[str]) -> str:
    """Return how ONNX files run, for the page of an exported model; empty where there are none."""
    if not files:
        return ""
    streams = card.features.streams.items()
    shapes = ", ".join(f"{name} (videos, {card.segments}, {stream.width})" for name, stream in streams)
    named = " and ".join(f"`{name}`" for name in files)
    return f"""
## ONNX

{named}: the same model for onnxruntime, without torch or this package. Inputs are float32 features of any number of
videos, a row a segment: {shapes}. Outputs: {", ".join(PROBABILITIES)}.
The metadata `{ONNX_KEY}` hold classes, features and protocol as JSON.

```python
import onnxruntime

session = onnxruntime.InferenceSession("{files[0]}")
outputs = session.run(None, {{{", ".join(f'"{name}": {name}' for name in card.features.streams)}}})
```

`leap_avvp.load("this/folder/{files[0]}")` makes a parser of it, and `leap-avvp predict --checkpoint` takes it.
"""


def _folded(content: bytes, folder: Path) -> Path:
    """Write the graph with what depends on weights alone computed: reshaped weights, too, become integers."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / ONNX_FILES[0])
    options.log_severity_level = 4
    onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return folder / ONNX_FILES[0]


def _with_content(model: Any, content: dict[str, Any]) -> bytes:
    """Return the file of an ``onnx.ModelProto`` with what a parser needs to know of it among its metadata."""
    import onnx

    model.producer_name, model.producer_version = "leap-avvp", content["version"]
    onnx.helper.set_model_props(model, {ONNX_KEY: json.dumps(content)})
    serialized: bytes = model.SerializeToString()
    return serialized


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what torch and onnxruntime tell of their own parts: nothing of it is for users of a model."""
    levels = {logger: logger.level for logger in map(logging.getLogger, _LOGGERS)}
    try:
        for logger in levels:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
