"""`make bench-gpu`: a training of LLP's full size on random features, timed, and the profile of one step.

Without a GPU it runs the same program on tiny sizes and says of every figure that it was not measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import lightning
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.network import make_batch
from benchmarks.report import Report
from benchmarks.system import write_random_set
from leap_avvp.data.datamodule import LLPDataModule
from leap_avvp.data.packed import PackedLLP
from leap_avvp.losses import ParsingLoss
from leap_avvp.metrics import Protocol
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid, VideoParser
from leap_avvp.training.module import ParsingModule
from leap_avvp.training.trainer import device_name, quiet

NOT_MEASURED = "not measured"


def build(dim: int) -> ParsingModule:
    """Return the module: the paper's network at width 512."""
    torch.manual_seed(0)
    heads = 8 if dim >= 64 else 2
    parser = VideoParser(
        MMPyramid(dim, num_heads=heads, feed_forward_dim=dim),
        LEAPDecoder(LabelQueries(), dim=dim, num_heads=heads, feed_forward_dim=dim),
    )
    return ParsingModule(
        parser, ParsingLoss(), Protocol(), lambda parameters: torch.optim.Adam(parameters, lr=1e-4, fused=True)
    )


def train(folder: Path, dim: int, epochs: int, precision: str, compiled: bool) -> float:
    """Train with validation after each epoch; return the seconds of `fit`, compiling included."""
    module = build(dim)
    data = LLPDataModule(PackedLLP(folder))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        precision=precision,  # type: ignore[arg-type]
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    if compiled:
        module.compile_parts(trainer.strategy.root_device)
    started = time.perf_counter()
    trainer.fit(module, datamodule=data)
    return time.perf_counter() - started


def step_profile(device: torch.device, dim: int, compiled: bool) -> tuple[float, int, float]:
    """Return milliseconds, kernels and the share of the time without a kernel of one training step at batch 32."""
    module = build(dim).to(device)
    if compiled:
        module.compile_parts(device)
    optimizer = torch.optim.Adam(module.parser.parameters(), lr=1e-4, fused=True)
    batch = {name: value.to(device) for name, value in make_batch(32).items()}

    def step() -> None:
        optimizer.zero_grad()
        module._terms(batch)["total"].backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(5):
        step()
    started = time.perf_counter()
    for _ in range(20):
        step()
    taken = (time.perf_counter() - started) / 20
    if device.type != "cuda":
        return 1000 * taken, 0, 0.0
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as found:
        step()
    kernels = sorted(
        (event.time_range.start, event.time_range.end)
        for event in found.events() or []
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    if not kernels:
        return 1000 * taken, 0, 0.0
    busy, reached = 0.0, kernels[0][0]
    for start, end in kernels:
        busy += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return 1000 * taken, len(kernels), 1 - busy / (reached - kernels[0][0])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="make bench-gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("experiments/results/benchmark-gpu.md"))
    arguments = parser.parse_args()
    quiet()
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    dim, videos, epochs = (512, 10_000, 30) if on_gpu else (16, 64, 1)
    report = Report("Benchmark on a GPU" + ("" if on_gpu else ": no GPU here, nothing was measured"))
    report.facts.append(
        f"Device: {device_name(device)}. {videos:,} videos of random features, {epochs} epochs, each with validation, "
        f"batch 32, width {dim}." + ("" if on_gpu else " These sizes show only that the program runs.")
    )
    training = report.section("Training", "precision", "compiled", "seconds")
    steps = report.section(
        "One step at batch 32", "matmul precision", "compiled", "ms", "kernels", "time without a kernel"
    )
    with tempfile.TemporaryDirectory(prefix="leap-avvp-bench-") as name:
        folder = write_random_set(Path(name) / "set", videos)
        for precision, matmul in (("32-true", "highest"), ("32-true", "high"), ("bf16-mixed", "high")):
            if not on_gpu and precision != "32-true":
                continue  # bfloat16 on a CPU is many times slower, and says nothing about a GPU
            torch.set_float32_matmul_precision(matmul)
            for compiled in (False, True) if on_gpu else (False,):
                seconds = train(folder, dim, epochs, precision, compiled)
                shown = f"{precision}, products {matmul}"
                training.add(shown, str(compiled).lower(), f"{seconds:.1f}" if on_gpu else NOT_MEASURED)
                if precision == "32-true":
                    taken, kernels, idle = step_profile(device, dim, compiled)
                    cells = (f"{taken:.2f}", str(kernels), f"{100 * idle:.0f} %") if on_gpu else (NOT_MEASURED,) * 3
                    steps.add(matmul, str(compiled).lower(), *cells)
    training.notes.append("Aim on one H100: 90 s. Compiling is part of it.")
    report.write(arguments.out)


if __name__ == "__main__":
    main()
