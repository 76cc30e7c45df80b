"""``leap-avvp refine``: from similarities, or from features by fakes of networks, to labels that training reads."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leap_avvp.card.read import read_card
from leap_avvp.cli import main
from leap_avvp.data.pseudo import read_segment_labels
from leap_avvp.data.pseudo.refine import class_similarities, pick_subsets, reweight, subset_texts
from leap_avvp.media import text_similarities

CLASSES = ("dog", "cow", "hen", "pig")
WEAK = {"v1": (0,), "v2": (0, 1), "v3": (1, 2, 3), "v4": (0, 1, 2, 3)}
FLAGS = np.array([[place in events for place in range(4)] for events in WEAK.values()])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card.yaml").write_text(
        "name: farm\nclasses: [dog, cow, hen, pig]\nsegments: 5\nids: filename\n"
        "weak: {train: weak.csv}\nfeatures: lsld\n"
    )
    rows = [f'{name},"{",".join(CLASSES[one] for one in events)}"' for name, events in WEAK.items()]
    Path("weak.csv").write_text("\n".join(["filename,event_labels", *rows, ""]))


@pytest.fixture
def similarities() -> dict[str, np.ndarray]:
    """Write similarities.npz, and return its grids (4, 5, 8) in the order of the texts."""
    words = read_card("card.yaml").display
    rng = np.random.default_rng(0)
    grids = {modality: rng.uniform(0, 0.3, (4, 5, 8)).astype(np.float32) for modality in ("audio", "visual")}
    texts = np.full((4, 8), "", "U60")
    for row, flags in zip(texts, FLAGS, strict=True):
        own = subset_texts(words, flags)
        row[: len(own)] = own
    np.savez("similarities.npz", video_id=list(WEAK), texts=texts, **grids)
    return grids


def refine(source: str, *words: str) -> int:
    return main(["refine", source, "--labels", "weak.csv", "--card", "card.yaml", "--out", "out", *words])


def read() -> tuple[np.ndarray, np.ndarray]:
    found = read_segment_labels(Path("out"), ".", list(WEAK), FLAGS, read_card("card.yaml"))
    assert found.problems == []
    assert found.outside == 0
    return found.audio, found.visual


def test_training_reads_what_it_writes(similarities, capsys: pytest.CaptureFixture[str]) -> None:
    assert refine("similarities.npz") == 0
    hard = {modality: pick_subsets(grid, FLAGS) for modality, grid in similarities.items()}
    audio, visual = read()
    np.testing.assert_array_equal(audio, hard["audio"])
    soft = reweight(hard["visual"], class_similarities(similarities["visual"], FLAGS))
    np.testing.assert_array_equal(visual, soft)
    assert (soft != hard["visual"]).any()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: labels of 4 videos, refined as LSLD does, stage 2"
    assert "in 1 video of more than 3 labels, all of them stand in every segment" in lines
    record = json.loads(Path("out/refined.json").read_text())
    assert (record["stage"], record["event_ratio"], record["noise_ratio"]) == (2, 4.0, 0.4)
    assert refine("similarities.npz", "--stage", "1") == 2
    assert "--overwrite" in capsys.readouterr().err
    assert refine("similarities.npz", "--stage", "1", "--overwrite") == 0
    np.testing.assert_array_equal(read()[1], hard["visual"])
    assert refine("similarities.npz", "--event-ratio", "2", "--noise-ratio", "1", "--overwrite") == 0
    np.testing.assert_array_equal(
        read()[1], reweight(hard["visual"], class_similarities(similarities["visual"], FLAGS), 2, 1)
    )
    Path("out/audio/stranger.npy").touch()
    assert refine("similarities.npz", "--overwrite") == 2
    assert "labels of other videos are there (1, first stranger)" in capsys.readouterr().err


def test_features_are_compared_with_the_texts_of_their_own_video(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[str]] = {"audio": [], "video_2d": []}
    rng = np.random.default_rng(1)
    vectors: dict[str, np.ndarray] = {}

    def fake(stream: str) -> SimpleNamespace:
        def text(prompts: list[str]) -> np.ndarray:
            asked[stream] += prompts
            for one in prompts:
                vector = rng.normal(size=512)
                vectors[one] = vector / np.linalg.norm(vector)
            return np.array([vectors[one] for one in prompts])

        return SimpleNamespace(make=lambda device: SimpleNamespace(text=text))

    monkeypatch.setattr(text_similarities, "RECIPES", {"lsld": {stream: fake(stream) for stream in asked}})
    monkeypatch.setattr(text_similarities, "_CHUNK", 3)
    files = {"audio": ("feats/clap_audioset", 5), "visual": ("feats/clip_16", 40)}
    made = {}
    for modality, (folder, rows) in files.items():
        (Path("data") / folder).mkdir(parents=True)
        for name in list(WEAK)[:3]:  # the fourth keeps its weak label, whatever is in it
            made[modality, name] = rng.normal(size=(rows, 512)).astype(np.float32)
            np.save(Path("data") / folder / f"{name}.npy", made[modality, name])
    assert refine("data") == 0
    words = read_card("card.yaml").display
    own = [subset_texts(words, flags) for flags in FLAGS]
    distinct = list(dict.fromkeys(one for texts in own for one in texts))
    assert asked == {"audio": [f"This is a sound of {one}" for one in distinct], "video_2d": distinct}
    audio, visual = read()
    for grid, modality, prompt in ((audio, "audio", "This is a sound of {}"), (visual, "visual", "{}")):
        for number, name in enumerate(list(WEAK)[:3]):
            for segment in range(5):
                row = made[modality, name].astype(float).reshape(5, -1, 512)[segment].mean(axis=0)
                scores = [float(row @ vectors[prompt.format(one)]) for one in own[number]]
                best = own[number][int(np.argmax(scores))].split(" and ")
                won = [float(words[place] in best and FLAGS[number, place]) for place in range(4)]
                if modality == "audio":
                    assert grid[number, segment].tolist() == won
                else:  # stage 2 makes some of them soft, and none that won 0
                    assert (grid[number, segment][np.array(won) == 1] > 0).all()
    assert (audio[3] == 1).all()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "nowhere: expected a data folder, or an .npz of similarities, found neither"),
        ("nowhere.npz", "nowhere.npz: expected an .npz of plain arrays"),
        (".", "expected a folder feats/clap_audioset; `leap-avvp extract --features lsld` makes it"),
    ],
)
def test_what_is_missing_is_one_line(source: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refine(source) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("out").exists()
