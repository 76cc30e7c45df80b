"""The comparison of released feature files with those made here: what it says where they agree, and where not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leap_avvp.card.features import named_features
from leap_avvp.errors import DataError
from leap_avvp.media import check_features
from leap_avvp.media.check_features import agreement, check_silence, compare_stream, main, released_file
from leap_avvp.media.opening import Clip
from leap_avvp.media.recipes import RECIPES
from tests.media.test_recipes import write_clip

pytest.importorskip("av", reason="needs the extra `media`")

NAME = "abcdefghijk_30_40"
STREAM = named_features("llp").streams["video_2d"]
RECIPE = RECIPES["llp"]["video_2d"]
BACKBONE = SimpleNamespace(
    shrink=lambda frame: frame, embed=lambda some: np.stack([np.resize(one.mean(axis=(1, 2)), 2048) for one in some])
)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    (tmp_path / "videos").mkdir()
    path = tmp_path / "videos" / f"{NAME}.mkv"
    write_clip(path, 10.0)
    return path


def released(folder: Path, rows: np.ndarray) -> Path:
    path = folder / STREAM.folder / f"{NAME[:11]}.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows)
    return path


def test_agreement() -> None:
    rng = np.random.default_rng(0)
    ours = rng.random((10, 8))
    theirs = ours + rng.normal(0, 0.1, ours.shape)
    found = agreement(ours, theirs.astype(np.float32))
    assert found.correlation == pytest.approx(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1], abs=1e-5)
    assert found.largest == pytest.approx(np.abs(ours - theirs).max(), abs=1e-6)
    assert found.scale == pytest.approx(np.abs(theirs).mean(), abs=1e-6)
    assert agreement(ours, ours).largest == 0
    assert np.isnan(agreement(np.zeros((2, 2)), ours[:2, :2]).correlation)
    with pytest.raises(DataError, match=r"expected \(10, 8\), found \(9, 8\)"):
        agreement(ours, ours[:9])


def test_files_are_found_by_name_or_by_llps_id(tmp_path: Path) -> None:
    clip = Clip(tmp_path / "x.mp4", name=NAME)
    assert released_file(tmp_path, STREAM, clip) is None
    by_id = released(tmp_path, np.zeros(1))
    assert released_file(tmp_path, STREAM, clip) == by_id
    by_name = by_id.with_name(f"{NAME}.npy")
    np.save(by_name, np.zeros(1))
    assert released_file(tmp_path, STREAM, clip) == by_name


def test_a_stream_is_compared(tmp_path: Path, video: Path) -> None:
    clip, other = Clip(video, name=NAME), Clip(video, name="of which nothing is there")
    path = released(tmp_path, np.zeros((80, 2048), np.float32))
    ((_, first),) = compare_stream(tmp_path, STREAM, RECIPE, BACKBONE, [other, clip])
    assert not isinstance(first, str)
    assert first.largest > 1
    released(tmp_path, np.zeros((82, 2048), np.float32))
    assert [one for _, one in compare_stream(tmp_path, STREAM, RECIPE, BACKBONE, [clip])] == [
        "expected (80, 2048), found (82, 2048)"
    ]
    for content, found in (
        (b"not numpy", "expected a .npy file of numbers"),
        (path.read_bytes()[:500], "bytes of numbers promised and"),
        (b"", "expected a .npy file of numbers"),
    ):
        path.write_bytes(content)
        ((_, said),) = compare_stream(tmp_path, STREAM, RECIPE, BACKBONE, [clip])
        assert isinstance(said, str)
        assert str(path) in said
        assert found in said


def silent(zeros: int, least: float = 0.0, equal: bool = True) -> SimpleNamespace:
    """Return a stand-in for VGGish that answers silence with so many zeros of 128."""
    row = np.concatenate([np.zeros(zeros), np.linspace(0.1, 1, 128 - zeros)]).astype(np.float32)
    row[-1] = row[-1] if least == 0 else least

    def answer(pieces: np.ndarray) -> np.ndarray:
        assert not pieces.any()
        rows = np.repeat(row[None], len(pieces), axis=0)
        rows[-1] *= 1 if equal else 1.5
        return rows

    return SimpleNamespace(answer=answer)


def test_digital_silence() -> None:
    assert check_silence(silent(70).answer) == []
    assert check_silence(silent(20).answer) == ["expected about 55 % zeros, found 15.6%"]
    assert check_silence(silent(70, least=-0.5).answer) == [
        "expected numbers of at least 0, found -0.5: the last ReLU is missing"
    ]
    assert check_silence(silent(70, equal=False).answer) == ["expected all rows equal, found differences"]


# The command


def test_command_without_weights_says_what_is_missing(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(tmp_path / "none"))
    assert main([str(tmp_path), str(video)]) == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert "feats/vggish, feats/res152, feats/r2plus1d_18, found none" in said
    released(tmp_path, np.zeros((80, 2048), np.float32))
    assert main([str(tmp_path), str(video)]) == 1  # nothing was compared
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("audio: skipped: weights vggish: not in")
    assert [line.split(":")[:2] for line in lines[1:]] == [["video_2d", " skipped"], ["video_3d", " skipped"]]


def test_command_tells_how_near_it_comes(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    ((_, far),) = compare_stream(
        tmp_path, STREAM, RECIPE, BACKBONE, [Clip(released(tmp_path, np.zeros((80, 2048))) and video, name=NAME)]
    )
    assert not isinstance(far, str)
    audio = dataclasses.replace(
        RECIPES["llp"]["audio"], load=lambda weights, device: silent(70).answer, work=lambda *_: np.zeros((10, 128))
    )
    video_2d = dataclasses.replace(RECIPE, load=lambda weights, device: BACKBONE)
    monkeypatch.setattr(check_features, "recipes_of", lambda name: {"audio": audio, "video_2d": video_2d})
    from leap_avvp.media.recipes import extract_stream

    released(tmp_path, extract_stream(Clip(video), RECIPE, BACKBONE) + np.float32(0.5))
    assert main([str(tmp_path), str(video.parent), "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "audio: digital silence: as it should be"
    assert lines[1] == f"video_2d: {NAME}: correlation 1.00000, largest difference 0.5"
    assert lines[2].startswith("video_2d (resnet152): 1 videos, correlation 1.00000 (median), 1.00000 (least)")
    wrong = dataclasses.replace(audio, load=lambda weights, device: silent(0).answer)
    monkeypatch.setattr(check_features, "recipes_of", lambda name: {"audio": wrong, "video_2d": video_2d})
    assert main([str(tmp_path), str(video.parent)]) == 1
    assert "expected about 55 % zeros, found 0.0%" in capsys.readouterr().out
