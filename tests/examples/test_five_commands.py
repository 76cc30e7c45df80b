"""From a folder of clips to a trained LEAP and a parsed, unseen clip: the five commands of examples/own_videos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from leap_avvp.card.read import read_card
from leap_avvp.cli import main
from leap_avvp.data.annotations.rows import read_dense_rows
from tests.media.pretrained import needs

NARROW = (
    *("encoder=han", "encoder.dim=64", "encoder.feed_forward_dim=64", "decoder.dim=64", "decoder.feed_forward_dim=64"),
    *("decoder.num_heads=4", "trainer=cpu", "data.batch_size=8", "data.schedule.max_epochs=25", "optimizer.lr=1e-3"),
    *("label_embedding=learnable", "scheduler=none", "logger=none", "evaluate_untrained=true"),
)


@pytest.mark.slow
@needs("yamnet", "efficientnet_lite0")
def test_five_commands(
    own_videos: Path,
    recordings: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = ("--train", "27", "--val", "9", "--test", "9", "--unseen", "2")
    subprocess.run([sys.executable, str(own_videos / "compose.py"), "farm", *sizes], check=True, capture_output=True)

    teacher = str(own_videos / "teacher.yaml")
    files = {"from": "train", "val": "val", "test": "test", "audio": "heard", "visual": "seen"}
    named = [word for flag, file in files.items() for word in (f"--{flag}", f"farm/annotations/{file}.csv")]
    assert main(["data", "card", *named, "--features", "embedded", "--name", "farm"]) == 0
    assert main(["extract", "farm/clips", "--features", "embedded", "--out", "farm"]) == 0
    assert main(["data", "check", "farm", "--pseudo-labels", "weak"]) == 0
    labels = ["--labels", "farm/annotations/train.csv", "--teacher", teacher, "--out", "farm/labels"]
    assert main(["label", "farm", *labels]) == 0
    train = ["train", "data=llp", "data.root=farm", "data.pseudo_labels=farm/labels", *NARROW, "hydra.run.dir=run"]
    assert main(train) == 0
    assert main(["parse", "farm/unseen", "--checkpoint", "run", "--out", "parsed"]) == 0
    said = capsys.readouterr()
    assert "LEAP checkpoint" in said.out

    # The teacher's labels against what was composed, which nothing trained on.
    card = read_card("farm/dataset.yaml")
    hits = {"audio": [0, 0, 0], "visual": [0, 0, 0]}  # right, said, true
    for modality, file in (("audio", "heard.csv"), ("visual", "seen.csv")):
        truth: dict[str, np.ndarray] = {}
        for row in read_dense_rows(Path("farm/truth") / file, card=card):
            grid = truth.setdefault(row.name, np.zeros((card.segments, card.num_classes), bool))
            grid[row.onset : row.offset, row.event] = True
        for path in sorted((Path("farm/labels") / modality).glob("*.npy")):
            label = np.load(path) > 0
            true = truth.get(path.stem, np.zeros_like(label))
            hits[modality] = [
                a + int(b) for a, b in zip(hits[modality], ((label & true).sum(), label.sum(), true.sum()), strict=True)
            ]
    for modality, (right, claimed, true) in hits.items():
        assert right > 0.6 * claimed, f"{modality} precision {right}/{claimed}"
        assert right > 0.5 * true, f"{modality} recall {right}/{true}"

    # Trained against untrained, on compositions of other recordings.
    record = json.loads(Path("run/metrics.json").read_text())
    assert record["data_source"] == "farm"
    assert record["test"]["segment/type_av"] > record["untrained"]["segment/type_av"] + 10

    # The unseen clips: what is named is mostly there.
    right = claimed = 0
    for folder in sorted(Path("parsed").iterdir()):
        named = {
            tuple(line.split("\t")[i] for i in (3, 4)) for line in (folder / "events.csv").read_text().splitlines()[1:]
        }
        claimed += len(named)
        for modality, file in (("audio", "heard.csv"), ("visual", "seen.csv")):
            rows = read_dense_rows(Path("farm/truth") / file, card=card)
            there = {card.classes[row.event] for row in rows if row.name == folder.name}
            right += len({name for name, kind in named if kind == modality} & there)
    assert claimed > 0
    assert right >= claimed / 2, f"{right} of {claimed}"
