"""Size and cost of MM-Pyramid + LEAP by part: parameters, multiply-adds, latency, memory; as released and as here."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table as RichTable
from torch import Tensor, nn

from leap_avvp.files import write_whole
from leap_avvp.models import Frontend, LabelQueries, LEAPDecoder, MMPyramid, VideoParser
from leap_avvp.models.attention import PreNormBlock
from leap_avvp.released import Architecture, dead_shapes
from leap_avvp.studies.html import Chapter
from leap_avvp.studies.operations import multiply_adds
from leap_avvp.studies.plan import short_path
from leap_avvp.studies.spec import load_study

__all__ = ["Part", "complexity_markdown", "complexity_parts", "complexity_report", "write_complexity"]


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the network."""

    name: str
    parameters: int
    """Live ones."""
    dead: int
    """What the released program holds besides."""
    ours: float
    """Multiply-adds a video."""
    read: float
    """Likewise, of what the released program computes and its outputs depend on."""
    released: float
    """Likewise, of all that the released program computes."""
    norms: float
    """Operations of LayerNorm at 5 an element, a video."""
    latency_ms: float
    """Median of one video alone."""
    batch_latency_ms: float
    """Median a video at batch 128."""
    kept_bytes: int
    """For the backward pass of one video."""


def _norms(model: nn.Module, work: Callable[[], object]) -> float:
    """Return 5 operations for each element that a LayerNorm of ``model`` sees while ``work`` runs."""
    seen: list[int] = []
    handles = [
        layer.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].numel()))
        for layer in model.modules()
        if isinstance(layer, nn.LayerNorm)
    ]
    with torch.no_grad():
        work()
    for handle in handles:
        handle.remove()
    return 5.0 * sum(seen)


def _kept(model: nn.Module, work: Callable[[], object]) -> int:
    """Return the bytes that autograd keeps for the backward pass, weights and views of them left out."""
    kept: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = work()
    del out
    return sum(kept.values())


def _latency(work: Callable[[], object], turns: int) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(turns + 1):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times[1:])


def _again(decoder: LEAPDecoder) -> tuple[float, float]:
    """Return what the released program computes besides: for the scores that are read, and in all.

    It passes each block's query through the whole attention a second time. Of that, the scores of the last block are
    read, for which the keys are made once more, and the queries' projection is not moved to the keys as ours is.
    """
    queries, stream = torch.zeros(1, 25, decoder.dim), torch.zeros(1, 10, decoder.dim)
    read = whole = 0.0
    for projection in (decoder.audio, decoder.visual):
        attentions = [block.attention for block in projection.blocks if isinstance(block, PreNormBlock)]
        for attention in attentions:
            whole += multiply_adds(functools.partial(attention.forward, queries, stream))
        ours = multiply_adds(functools.partial(attentions[-1].mean_scores, queries, stream))
        keys = multiply_adds(functools.partial(attentions[-1].key_value, stream)) / 2
        product = multiply_adds(functools.partial(torch.matmul, queries, stream.transpose(-2, -1)))
        read += keys + multiply_adds(functools.partial(attentions[-1].query, queries)) + product - ours
        whole -= ours
    return read, whole


def complexity_parts(turns: int = 5) -> list[Part]:
    """Return the parts of MM-Pyramid + LEAP with two blocks: front end, encoder, label projection, LEAP blocks.

    Args:
        turns: of each latency.
    """
    parser = VideoParser(MMPyramid(), LEAPDecoder(LabelQueries(torch.zeros(25, 300))))
    front, decoder = parser.frontend, parser.decoder
    assert isinstance(front, Frontend)
    assert isinstance(decoder, LEAPDecoder)
    dead = {"encoder": 0, "LEAP blocks": 0}
    for name, shape in dead_shapes(Architecture("mm_pyramid", "leap", 2)).items():
        dead["LEAP blocks" if name.startswith("AVL") else "encoder"] += torch.Size(shape).numel()
    dim, vectors, queries = decoder.dim, decoder.label_queries(), torch.zeros(25, decoder.dim)

    def frontend(size: int) -> object:
        return front(torch.zeros(size, 10, 128), torch.zeros(size, 10, 2048), torch.zeros(size, 10, 512))

    def encoder(size: int) -> object:
        return parser.encoder(torch.zeros(size, 10, dim), torch.zeros(size, 10, dim))

    def blocks(size: int) -> object:
        return decoder.audio(queries, torch.zeros(size, 10, dim)), decoder.visual(queries, torch.zeros(size, 10, dim))

    def labels(_: int) -> object:
        return decoder.label_projection(vectors)

    nothing = (0.0, 0.0)
    # What the released program computes besides: 70 more frames, and attention again.
    frames = multiply_adds(lambda: front.video_2d(torch.zeros(1, 70, 2048)))
    return [
        _part("front end", [front], frontend, 0, (frames, frames), turns),
        _part("encoder", [parser.encoder], encoder, dead["encoder"], nothing, turns),
        _part("label projection", [decoder.label_projection], labels, 0, nothing, turns),
        _part("LEAP blocks", [decoder.audio, decoder.visual], blocks, dead["LEAP blocks"], _again(decoder), turns),
    ]


def _part(
    name: str,
    modules: list[nn.Module],
    work: Callable[[int], object],
    dead: int,
    besides: tuple[float, float],
    turns: int,
) -> Part:
    holder = nn.ModuleList(modules)
    one = functools.partial(work, 1)
    holder.train()  # the fused attention of inference is unknown to the counter
    count, norms, kept = multiply_adds(one), _norms(holder, one), _kept(holder, one)
    holder.eval()
    return Part(
        name,
        sum(parameter.numel() for parameter in holder.parameters()),
        dead,
        count,
        count + besides[0],
        count + besides[1],
        norms,
        _latency(one, 4 * turns),
        _latency(functools.partial(work, 128), turns) / 128,
        kept,
    )


_HEADINGS = (
    "part", "parameters, M", "dead, M", "released, M mult-adds", "of them read", "ours, M mult-adds",
    "ours, ms a video", "at batch 128, ms", "weights, MB", "kept for backward, MB",
)  # fmt: skip


def _cells(name: str, parts: list[Part]) -> list[str]:
    def total(field: str) -> float:
        return float(sum(getattr(part, field) for part in parts))

    return [
        name,
        f"{total('parameters') / 1e6:.2f}",
        f"{total('dead') / 1e6:.2f}",
        f"{total('released') / 1e6:.1f}",
        f"{total('read') / 1e6:.1f}",
        f"{total('ours') / 1e6:.1f}",
        f"{total('latency_ms'):.1f}",
        f"{total('batch_latency_ms'):.2f}",
        f"{4 * total('parameters') / 1e6:.1f}",
        f"{total('kept_bytes') / 1e6:.2f}",
    ]


def complexity_report(parts: list[Part]) -> tuple[list[list[str]], list[str]]:
    """Return the rows of the table and the lines below it, the published figures among them."""
    study = load_study("complexity")
    rows = [_cells(part.name, [part]) for part in parts] + [_cells("all", parts)]
    blocks = parts[-1]
    held = sum(part.parameters + part.dead for part in parts)
    operations = sum(part.read + part.norms for part in parts)
    figures = ", ".join(f"{study.columns[key]} {value:g} M" for key, value in study.rows[0].published.items())
    lines = [
        f"published: {figures} ({study.source})",
        f"counted as released: parameters {held / 1e6:.2f} M, of them LEAP "
        f"{(blocks.parameters + blocks.dead) / 1e6:.2f} M, "
        f"operations {operations / 1e6:.0f} M (those that are read, and LayerNorm), of them LEAP blocks "
        f"{(blocks.read + blocks.norms) / 1e6:.0f} M",
        *study.notes,
    ]
    return rows, lines


def write_complexity(out: Path, console: Console) -> tuple[Chapter, str]:
    """Measure, print and write ``complexity.md`` and ``.csv`` into a folder; return them for the report of all."""
    rows, lines = complexity_report(complexity_parts())
    title = load_study("complexity").title
    view = RichTable(title=title)
    for heading in _HEADINGS:
        view.add_column(heading, justify="left" if heading == "part" else "right")
    for row in rows:
        view.add_row(*row)
    needed = Console(width=1000).measure(view).maximum  # a narrow terminal wraps lines; it must not cut numbers off
    Console(width=max(console.width, needed)).print(view)
    for line in lines:
        console.print(f"  {line}")
    markdown = complexity_markdown(title, rows, lines)
    write_whole(out / "complexity.md", markdown)
    content = io.StringIO()
    csv.writer(content, lineterminator="\n").writerows([_HEADINGS, *rows])
    write_whole(out / "complexity.csv", content.getvalue())
    console.print(f"written: {short_path(out)}/complexity{{.md,.csv}}")
    return Chapter(title, rows=[_HEADINGS, *rows], lines=lines), markdown


def complexity_markdown(title: str, rows: list[list[str]], lines: list[str]) -> str:
    """Return the table and what must be known to read it."""
    text = [f"# {title}", "", "| " + " | ".join(_HEADINGS) + " |", "| --- |" + " ---: |" * (len(_HEADINGS) - 1)]
    text += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*text, "", *(f"- {line}" for line in lines), ""])
