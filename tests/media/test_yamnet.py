"""YAMNet: its front end against a plain reading, its network against onnxruntime, its file read as data."""

from __future__ import annotations

import contextlib
import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from leap_avvp.errors import DataError
from leap_avvp.media.backbones.onnx_graph import Graph, read_graph
from leap_avvp.media.backbones.yamnet import NUM_CLASSES, SAMPLES, YAMNet, class_names, example
from leap_avvp.media.weights import find
from tests.media.onnx_writing import field, node, tensor, write_model
from tests.media.pretrained import needs

# Channels and strides of MobileNet v1's thirteen pairs (Howard et al., 2017, Table 1).
PAIRS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]


def sounds(count: int, seed: int = 0) -> np.ndarray:
    """Return (count, 15600): noise, tones and clicks of many levels."""
    rng = np.random.default_rng(seed)
    time = np.arange(SAMPLES) / 16_000
    pieces = rng.standard_normal((count, SAMPLES)) * rng.uniform(0.0005, 0.2, (count, 1))
    for place in range(0, count, 2):
        pieces[place] += 0.4 * np.sin(2 * math.pi * rng.uniform(100, 4000) * time)
    for place in range(0, count, 3):
        pieces[place, :: int(rng.integers(400, 4000))] += 0.5
    return pieces.astype(np.float32)


def write_network(folder: Path, seed: int = 0, pads: tuple[int, ...] = (0, 0, 1, 1)) -> None:
    """Write a YAMNet of random numbers in its true shapes."""
    rng = np.random.default_rng(seed)
    nodes: list[bytes] = []
    tensors: dict[str, np.ndarray] = {}
    last = "audio"

    def convolve(channels: int, wanted: int, kernel: int, stride: int, groups: int) -> None:
        nonlocal last
        name = f"conv{len(nodes)}"
        scale = math.sqrt(2 * groups / (channels * kernel**2))
        tensors[f"{name}_w"] = (rng.standard_normal((wanted, channels // groups, kernel, kernel)) * scale).astype("f4")
        tensors[f"{name}_b"] = (rng.standard_normal(wanted) * 0.1).astype("f4")
        border = (0, 0, 0, 0) if kernel == 1 else pads if stride == 2 else (1, 1, 1, 1)
        attributes: dict[str, Any] = {"dilations": (1, 1), "group": groups, "kernel_shape": (kernel, kernel)}
        attributes |= {"pads": border, "strides": (stride, stride)}
        nodes.append(node("Conv", [last, f"{name}_w", f"{name}_b"], [name], **attributes))
        nodes.append(node("Relu", [name], [f"{name}_relu"]))
        last = f"{name}_relu"

    convolve(1, 32, 3, 2, 1)
    channels = 32
    for wanted, stride in PAIRS:
        convolve(channels, channels, 3, stride, channels)
        convolve(channels, wanted, 1, 1, 1)
        channels = wanted
    tensors |= {
        "shape": np.array([1, -1]),
        "w": (rng.standard_normal((NUM_CLASSES, 1024)) * 0.05).astype("f4"),
        "b": rng.standard_normal(NUM_CLASSES).astype("f4"),
    }
    nodes.append(node("GlobalAveragePool", [last], ["pooled"]))
    nodes.append(node("Reshape", ["pooled", "shape"], ["flat"], allowzero=0))
    nodes.append(node("Gemm", ["flat", "w", "b"], ["scores"], alpha=1.0, beta=1.0, transB=1))
    outputs = {"scores": (1, NUM_CLASSES), "pooled": (1, 1024, 1, 1)}
    write_model(folder / "model.onnx", nodes, tensors, {"audio": (1, 1, 96, 64)}, outputs)
    with (folder / "class_map.csv").open("w", newline="") as file:
        rows = [("index", "mid", "display_name"), *((n, f"/m/{n}", f"Sound {n}, loud") for n in range(NUM_CLASSES))]
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yamnet")
    write_network(folder)
    return folder


def test_the_front_end_is_the_published_one() -> None:
    # research/audioset/yamnet/features.py and params.py, read frame by frame and band by band.
    piece = sounds(1)[0].astype(np.float64)
    got = example(piece.astype(np.float32))
    assert got.shape == (96, 64)
    window = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (125, 7500))
    for frame in (0, 1, 50, 95):
        magnitude = abs(np.fft.rfft(piece[160 * frame : 160 * frame + 400] * window, n=512))
        for band in (0, 1, 31, 63):
            left, middle, right = (low + (high - low) / 65 * (band + k) for k in range(3))
            energy = 0.0
            for place in range(1, 257):
                mel = 2595 * math.log10(1 + place * 16_000 / 512 / 700)
                energy += magnitude[place] * max(
                    0.0, min((mel - left) / (middle - left), (right - mel) / (right - middle))
                )
            assert got[frame, band] == pytest.approx(math.log(energy + 0.001), abs=2e-5)


def test_short_pieces_are_filled_with_silence_and_long_ones_cut() -> None:
    piece = sounds(1)[0]
    short = np.concatenate([piece[:7000], np.zeros(SAMPLES - 7000, np.float32)])
    np.testing.assert_array_equal(example(piece[:7000]), example(short))
    np.testing.assert_array_equal(example(np.tile(piece, 2)), example(piece))
    np.testing.assert_allclose(example(np.zeros(0, np.float32)), math.log(0.001), rtol=1e-6)


def test_the_network_is_what_onnxruntime_runs_of_the_same_file(made: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(made / "model.onnx"), providers=["CPUExecutionProvider"])
    pieces = sounds(5)
    embedded, scores = YAMNet(made).hear(pieces)
    assert embedded.shape == (5, 1024)
    assert scores.shape == (5, NUM_CLASSES)
    assert embedded.dtype == scores.dtype == np.float32
    assert 0.2 < (embedded == 0).mean() + (embedded > 0).mean() == 1
    for place, piece in enumerate(pieces):
        logits, pooled = session.run(None, {"audio": example(piece)[None, None]})
        np.testing.assert_allclose(embedded[place], pooled.ravel(), rtol=2e-4, atol=2e-4)
        np.testing.assert_allclose(scores[place], 1 / (1 + np.exp(-logits[0])), rtol=2e-4, atol=2e-5)


def test_batches_change_nothing_but_the_last_digits(made: Path) -> None:
    pieces = sounds(7)
    whole = YAMNet(made).hear(pieces)[0]
    for batch in (1, 3):
        np.testing.assert_allclose(YAMNet(made, batch=batch)(pieces), whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(YAMNet(made)(pieces), whole)
    assert YAMNet(made)(pieces[:0]).shape == (0, 1024)


def test_names_may_hold_commas(made: Path) -> None:
    assert YAMNet(made).names[2] == "Sound 2, loud"


@pytest.mark.parametrize("damage", ["empty", "text", "half", "short data", "no graph", "another network", "no names"])
def test_another_file_is_told_in_one_line(damage: str, tmp_path: Path, made: Path) -> None:
    for name in ("model.onnx", "model.data", "class_map.csv"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
    path = tmp_path / "model.onnx"
    content = path.read_bytes()
    if damage == "short data":
        (tmp_path / "model.data").write_bytes(b"\0" * 1000)
    elif damage == "another network":
        write_model(path, [node("Relu", ["a"], ["b"])], {}, {"a": (1,)}, {"b": (1,)})
    elif damage == "no names":
        (tmp_path / "class_map.csv").write_text("index,mid,display_name\n0,/m/0,Speech\n")
    else:
        cut = {"empty": b"", "text": b"hello\n" * 9, "half": content[: len(content) // 2], "no graph": field(1, 8)}
        path.write_bytes(cut[damage])
    with pytest.raises(DataError, match="expected") as caught:
        YAMNet(tmp_path)
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(DataError):
        YAMNet(tmp_path)


def test_zeros_that_are_not_the_networks_are_refused(tmp_path: Path) -> None:
    write_network(tmp_path, pads=(0, 1, 1, 1))
    with pytest.raises(DataError, match="a convolution of"):
        YAMNet(tmp_path)


def test_no_file_cut_anywhere_ends_in_a_traceback(made: Path, tmp_path: Path) -> None:
    content = (made / "model.onnx").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 100):
        (tmp_path / "model.onnx").write_bytes(content[: int(place)])
        with pytest.raises(DataError, match="expected a graph"):
            read_graph(tmp_path / "model.onnx", made / "model.data")
    for _ in range(100):
        changed = bytearray(content)
        changed[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "model.onnx").write_bytes(bytes(changed))
        with contextlib.suppress(DataError):  # a changed number is a number
            read_graph(tmp_path / "model.onnx", made / "model.data")


def test_numbers_inside_and_outside_the_file_are_read_alike(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    parts = [field(5, tensor("in", values)), field(5, tensor("packed", values, packed=True))]
    parts.append(field(5, tensor("out", values, (4, 48))))
    (tmp_path / "m").write_bytes(field(7, b"".join(parts)))
    (tmp_path / "d").write_bytes(b"\1\2\3\4" + values.tobytes())
    graph = read_graph(tmp_path / "m", tmp_path / "d")
    for name in ("in", "packed", "out"):
        np.testing.assert_array_equal(graph.tensors[name], values)


def run_rounded(graph: Graph, quantised: np.ndarray) -> np.ndarray:
    """Run the graph as it is written, with all its rounding; return the output's steps."""
    values: dict[str, torch.Tensor] = {name: torch.from_numpy(one.copy()) for name, one in graph.tensors.items()}
    values["audio"] = torch.from_numpy(quantised)
    for one in graph.nodes:
        inputs = [values[name] for name in one.inputs]
        first = inputs[0]
        if one.op in ("QuantizeLinear", "DequantizeLinear"):
            shape = [-1 if axis == one.numbers.get("axis", (1,))[0] else 1 for axis in range(first.ndim)]
            scale = inputs[1].reshape(shape if inputs[1].ndim else [])
            zero = inputs[2].reshape(shape if inputs[2].ndim else [])
            if one.op == "QuantizeLinear":
                limits = torch.iinfo(zero.dtype)
                result = (torch.round(first / scale) + zero).clamp(limits.min, limits.max).to(zero.dtype)
            else:
                result = (first.float() - zero) * scale
        elif one.op == "Conv":
            top, left, bottom, right = one.numbers["pads"]
            padded = F.pad(first, (left, right, top, bottom))
            stride, groups = one.numbers["strides"], one.numbers["group"][0]
            result = F.conv2d(padded, inputs[1], inputs[2], stride, groups=groups)
        elif one.op == "Relu":
            result = first.relu()
        elif one.op == "GlobalAveragePool":
            result = first.mean((2, 3), keepdim=True)
        elif one.op == "Reshape":
            result = first.flatten(1)
        else:
            assert one.op == "Gemm"
            result = F.linear(first, inputs[1], inputs[2])
        values[one.outputs[0]] = result
    return values[graph.nodes[-1].outputs[0]].numpy()


@needs("yamnet")
def test_with_the_rounding_it_is_the_graph_that_onnxruntime_runs() -> None:
    runtime = pytest.importorskip("onnxruntime")
    folder = find("yamnet")
    graph = read_graph(folder / "model.onnx", folder / "model.data")
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    network, near, equal = YAMNet(), [], []
    for piece in sounds(8):
        patch = example(piece)[None, None]
        steps = np.clip(np.round(patch / np.float32(0.0479378849)) + 144, 0, 255).astype(np.uint8)
        (expected,) = session.run(None, {"audio": steps})
        apart = np.abs(expected.astype(int) - run_rounded(graph, steps).astype(int))
        assert apart.max() <= 2  # a number between two steps that falls to the other one, and what follows of it
        equal.append((apart == 0).mean())
        logits = (expected[0].astype(np.float64) - 190) * 0.7565417
        near.append(np.abs(network.hear(piece[None])[1][0] - 1 / (1 + np.exp(-logits))).mean())
    assert np.mean(equal) > 0.7
    assert max(near) < 0.005  # without the rounding, of 521 scores


@needs("yamnet")
def test_the_classes_are_audiosets() -> None:
    names = class_names()
    assert len(set(names)) == NUM_CLASSES
    assert [names[n] for n in (0, 1, 69, 494, 520)] == [
        *("Speech", "Child speech, kid speaking", "Dog", "Silence", "Field recording")
    ]


@needs("yamnet")
def test_silence_is_heard_as_silence_and_a_tone_as_a_tone() -> None:
    network = YAMNet()
    time = np.arange(SAMPLES) / 16_000
    pieces = np.stack([np.zeros(SAMPLES), 0.5 * np.sin(2 * math.pi * 2000 * time)]).astype(np.float32)
    embedded, scores = network.hear(pieces)
    assert embedded.min() >= 0
    assert network.names[scores[0].argmax()] == "Silence"
    assert network.names[scores[1].argmax()] == "Sine wave"
