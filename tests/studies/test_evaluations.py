"""One trained cell under several protocols: trained once, evaluated once each."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from leap_avvp.errors import ConfigError
from leap_avvp.studies import evaluations, load_study, reproduce
from leap_avvp.studies.plan import make_plan
from leap_avvp.studies.spec import parse_study


@pytest.fixture
def evaluated(fake, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace ``leap-avvp evaluate``; return what it was asked."""
    asked: list[str] = []
    scores = {"protocol=union": 50.0, "protocol=per_modality": 52.0, "protocol=none": 40.0}

    def run(command, **_):
        words = dict(word.split("=", 1) for word in command if "=" in word and not word.startswith("/"))
        override = f"protocol={words['protocol']}"
        asked.append(override)
        folder = evaluations.Path(words["hydra.run.dir"].strip('"'))
        folder.mkdir(parents=True)
        trained = json.loads((folder.parents[1] / "metrics.json").read_text())
        content = {"config_hash": trained["config_hash"], "scores": fake.scores(scores[override])}
        content["protocol"] = {"name": f"filter={words['protocol']}"}
        (folder / "evaluation_test.json").write_text(json.dumps(content))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(evaluations.subprocess, "run", run)
    return asked


def test_each_protocol_is_a_row_of_one_training(fake, evaluated: list[str], capsys) -> None:
    training = SimpleNamespace(ran=[])

    def train(cell) -> int:
        training.ran.append(cell)
        fake.write_run(cell, 50.0)
        return 0

    assert reproduce("protocols", runner=train) == 0
    assert len(training.ran) == 1
    assert evaluated == ["protocol=union", "protocol=per_modality", "protocol=none"]
    text = (evaluations.Path("outputs/protocols-simulated") / "protocols.md").read_text()
    for label, value in (
        ("filtered by the video's union", "50.0"),
        ("filtered by each", "52.0"),
        ("not filtered", "40.0"),
    ):
        line = next(line for line in text.splitlines() if line.startswith(f"| {label}"))
        assert line.endswith(f"| {value} |")
    assert reproduce("protocols", runner=train) == 0
    assert (len(training.ran), len(evaluated)) == (1, 3), "nothing is done twice"


def test_a_failing_evaluation_is_named(fake, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for cell in make_plan("protocols").cells:
        fake.write_run(cell, 50.0)
    failing = SimpleNamespace(returncode=2, stderr="error: best.ckpt: no such file\n")
    monkeypatch.setattr(evaluations.subprocess, "run", lambda *_, **__: failing)
    assert reproduce("protocols") == 1
    assert "broken: protocol=union, seed 0: error: best.ckpt: no such file" in capsys.readouterr().out


def test_every_row_is_one_evaluation() -> None:
    study = load_study("protocols")
    filters = [row.match["protocol.filter"] for row in study.rows]
    assert [f"protocol={name}" for name in filters] == list(study.evaluate)


def test_evaluate_takes_one_key() -> None:
    text = "title: a\nsource: b\ncolumns: {average: Avg.}\nrows: [{label: one, match: {}}]\nevaluate: [union]\n"
    with pytest.raises(ConfigError, match="expected one key with a list of values"):
        parse_study("small", text)


def test_what_two_studies_have_in_common_is_trained_once(fake) -> None:
    training = fake.Training()

    def train(cell) -> int:
        training.ran.append(str(cell))
        fake.write_run(cell, 50.0)
        return 0

    assert reproduce("table6", runner=train) == 0
    assert len(training.ran) == 3
    assert reproduce("table8", runner=train) == 0
    assert len(training.ran) == 3 + 3, "MM-Pyramid with fixed queries is Table 6's λ = 1"
    assert reproduce("table7", runner=train) == 0
    assert reproduce("blocks", runner=train) == 0
    assert len(training.ran) == 6 + 3 + 3, "two blocks without the alignment loss are Table 7's last block"
