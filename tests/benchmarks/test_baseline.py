"""The baseline of the benchmarks computes the same: a ratio against it says something about speed only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.baseline import PlainDataset, PlainParser, plain_scores
from benchmarks.system import write_random_set
from leap_avvp.data.folder import LLPFolder
from leap_avvp.data.packed import PackedLLP
from leap_avvp.data.simulate import SimulatedLLP, write_llp_folder
from leap_avvp.metrics import SCORE_NAMES, per_video_scores
from leap_avvp.models import LabelQueries, LEAPDecoder, MMPyramid, VideoParser


def test_the_plain_parser_gives_our_outputs():
    torch.manual_seed(0)
    parser = VideoParser(MMPyramid(), LEAPDecoder(LabelQueries())).eval()
    audio, frames, video_3d = torch.randn(2, 10, 128), torch.randn(2, 80, 2048), torch.randn(2, 10, 512)
    with torch.no_grad():
        ours = parser(audio=audio, video_2d=frames, video_3d=video_3d)
        plain = PlainParser(parser).eval()(audio, frames, video_3d)
    for name, value in plain.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=1e-4, msg=name)


def test_the_random_set_is_a_whole_packed_set(tmp_path: Path):
    source = PackedLLP(write_random_set(tmp_path / "set", 20))
    assert source.load("train").video_2d.shape == (20, 10, 2048)
    assert source.name == "simulated"


def test_the_plain_scores_are_our_scores():
    torch.manual_seed(0)
    grids = [torch.rand(40, 10, 25) < share for share in (0.1, 0.1, 0.08, 0.12)]
    ours = per_video_scores(*grids)
    plain = plain_scores(*(grid.numpy() for grid in grids))
    assert list(plain) == list(SCORE_NAMES)
    for name in SCORE_NAMES:
        assert plain[name] == pytest.approx(100 * ours[name].mean().item(), abs=1e-9)


def test_the_plain_loader_reads_what_the_folder_holds(tmp_path: Path):
    write_llp_folder(SimulatedLLP(num_train=3, num_val=1, num_test=1), tmp_path / "llp")
    data = LLPFolder(tmp_path / "llp").load("train")
    sample = PlainDataset(
        tmp_path / "llp", [name[:11] for name in data.filenames], tmp_path / "llp/label_embedding.npz"
    )[1]
    assert sample["video_2d"].shape == (80, 2048)
    torch.testing.assert_close(sample["audio"], torch.from_numpy(data.audio[1]))
    torch.testing.assert_close(sample["segment_audio"], torch.from_numpy(data.segment_audio[1]))
