"""What a person types: paths and free text go to Hydra as they are, and what Hydra reads stays as it was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from leap_avvp.config.compose import compose_config, plain
from leap_avvp.config.groups import hydra_compose
from leap_avvp.config.paths import PLACES
from leap_avvp.config.words import checkpoint_word, readable
from leap_avvp.errors import ConfigError, DataError

NAMES = (
    *("my data (copy)", "run [2]", "{braces}", "a=1", "loss.avss_weight=0.5,seed=1", "50%", "#1", "%Y", "x~", "λ-José"),
    *("it's", 'say "so"', "a:b", "a&b;c!", "1_000", "1e3", "true", "[1]", "back\\slash", "$HOME", "choice(a,b)", "-x"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder where a folder of each odd name is, with ``home`` as the home folder."""
    for name in NAMES:
        (tmp_path / name / "LLP").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def content_of(*words: str, name: str = "train", multirun: bool = False) -> dict[str, Any]:
    """Return the config that Hydra composes of words as a shell hands them over."""
    output = ["output_dir=x"] if not any(word.startswith("output_dir") for word in words) else []
    return plain(hydra_compose([*readable(words, multirun), *output], name))


def value_of(word: str, multirun: bool = False) -> Any:
    """Return the value that Hydra reads in a word as a shell hands it over."""
    (read,) = readable([word], multirun)
    return OverridesParser.create().parse_override(read).value()


@pytest.mark.parametrize("key", PLACES)
def test_a_file_or_folder_of_any_name_is_given_without_quotes(key: str, here: Path) -> None:
    for name in NAMES:
        for multirun in (False, True):
            assert value_of(f"{key}={name}/LLP", multirun) == f"{name}/LLP"
            assert str(value_of(f"{key}={name}", multirun)) == name


@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_a_run_may_lie_in_a_new_folder_of_any_name(key: str) -> None:
    for name in NAMES:
        assert value_of(f"{key}={name}/new", multirun=key == "hydra.sweep.dir") == f"{name}/new"


def test_what_is_read_is_what_is_composed(here: Path) -> None:
    name = "loss.avss_weight=0.5,seed=1"
    assert content_of("data=llp", f"data.root={name}")["data"]["root"] == name
    assert content_of(f"checkpoint={name}", name="evaluate")["checkpoint"] == name
    assert hydra_compose(readable(["hydra.run.dir=#1/50%Y"]), "train", hydra=True).hydra.run.dir == "#1/50%Y"


def test_a_date_in_the_folder_of_a_run_is_still_filled_in(here: Path) -> None:
    (word,) = readable(["hydra.run.dir=my runs (1)/${now:%Y}"])
    assert str(hydra_compose([word], "train", hydra=True).hydra.run.dir).startswith("my runs (1)/20")


@pytest.mark.parametrize("key", ["data.root", "data.annotations", "data.packed", "data.link_store"])
def test_the_home_folder_is_found_in_every_place_of_the_data(key: str, here: Path) -> None:
    for typed in ("~/LLP", '"~/LLP"'):
        found = content_of("data=llp", f"{key}={typed}")["data"][key.removeprefix("data.")]
        assert found == str(here / "home" / "LLP")


def test_the_home_folder_is_found_everywhere_else(here: Path) -> None:
    home = str(here / "home")
    assert content_of("init_from=~/run")["init_from"] == f"{home}/run"
    assert content_of("checkpoint=~/best.ckpt", name="evaluate")["checkpoint"] == f"{home}/best.ckpt"
    glove = content_of("label_embedding=glove", "label_embedding.path=~/g.txt")
    assert glove["label_embedding"]["path"] == glove["decoder"]["label_queries"]["path"] == f"{home}/g.txt"
    for typed in ("~/my runs", "'~/my runs'", "~/runs"):
        composed = hydra_compose(readable([f"hydra.run.dir={typed}"]), "train", hydra=True)
        assert composed.hydra.run.dir == f"{home}/{typed.strip(chr(39))[2:]}"
    assert content_of("name=~ten")["name"] == "~ten", "no place"


@pytest.mark.parametrize("text", ["baseline #1 (50% data)", "a=b", "lr: 1e-3, 2 layers)", "Zoë", "a;b"])
def test_a_name_is_free_text(text: str) -> None:
    assert value_of(f"name={text}") == text


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\\${", exclude_categories=["Cc", "Zl", "Zp"])))
def test_a_new_place_of_any_name_is_what_the_program_gets(text: str) -> None:
    """Spaces at its end are Hydra's."""
    assert value_of(f"hydra.run.dir=x/{text.rstrip()}") == f"x/{text.rstrip()}"


@pytest.mark.parametrize(
    "word",
    [
        *(
            "seed=1,2",
            "encoder=han",
            "encoder=han,mm_pyramid",
            "data.root='a b'",
            'name="x, y"',
            "init_parts=[encoder]",
        ),
        *(
            "optimizer.lr=1e-3",
            "name=null",
            "data.root=null",
            "~logger",
            "+x=[1,2]",
            "seed=range(1,4)",
            "data.root=a\\ b",
        ),
        *("hydra.run.dir=${oc.env:HOME}/x", "trainer.max_epochs=${seed}", "logger=[csv,wandb]", "data.packed=off"),
        *("optimizer.betas=[0.9,0.98", "name='open", "hydra/launcher=slurm", "-m", "checkpoint=a/best.ckpt"),
    ],
)
def test_what_hydra_reads_and_what_is_not_text_stays_as_typed(word: str) -> None:
    assert readable([word]) == [word] == readable([word], multirun=True)


def test_a_comma_in_a_folder_is_a_sweep_only_where_the_parts_are_there(here: Path) -> None:
    for name in ("a,b", "c", "d"):
        (here / name).mkdir()
    assert readable(["checkpoint=a,b"]) == ['checkpoint="a,b"'], "one run: nothing is swept"
    assert readable(["checkpoint=a,b"], multirun=True) == ['checkpoint="a,b"'], "there is no folder a"
    assert readable(["checkpoint=c,d"], multirun=True) == ["checkpoint=c,d"]
    assert readable(["checkpoint=new1,new2"], multirun=True) == ["checkpoint=new1,new2"], "left to the jobs"
    assert readable(["checkpoint=a,b,c"], multirun=True) == ['checkpoint="a,b","c"']
    assert readable(["checkpoint=a=1,c"], multirun=True) == ['checkpoint="a=1","c"']
    assert readable(["hydra.sweep.dir=a,b"], multirun=True) == ['hydra.sweep.dir="a,b"'], "a sweep has one folder"


def test_evaluate_takes_the_path_itself(here: Path) -> None:
    for name in NAMES:
        first, *rest = checkpoint_word(["split=val", f"{name}/LLP", "protocol=none"])
        assert value_of(first) == f"{name}/LLP"
        assert rest == ["split=val", "protocol=none"]


def test_evaluate_takes_the_folder_of_a_sweeps_job_and_no_folder_hides_an_option(here: Path) -> None:
    for name in ("seed=1", "loss.avss_weight=0.5"):
        (here / name).mkdir()
    assert checkpoint_word(["loss.avss_weight=0.5"]) == ['checkpoint="loss.avss_weight=0.5"']
    assert checkpoint_word(["./seed=1"]) == ['checkpoint="./seed=1"']
    assert checkpoint_word(["seed=1", "checkpoint=x"]) == ["seed=1", "checkpoint=x"], "an option of the command"


def test_evaluate_says_what_is_wrong_with_its_paths(here: Path) -> None:
    with pytest.raises(DataError, match=r"^best\.ckpt: no such checkpoint file or folder of a run; expected PATH"):
        checkpoint_word(["best.ckpt"])
    with pytest.raises(DataError, match=r"^~/gone\.ckpt: no such checkpoint"):
        checkpoint_word(["~/gone.ckpt"])
    with pytest.raises(ConfigError, match=r"found 2 .*; -m evaluates each"):
        checkpoint_word(["#1", "50%"])
    with pytest.raises(ConfigError, match="leave one out"):
        checkpoint_word(["#1", "checkpoint=x"])
    assert checkpoint_word(["#1", "50%"], multirun=True) == ['checkpoint="#1","50%"']


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("encoder=3", "one of han, .*mm_pyramid.*, found 3"),
        ("=3", "found no key"),
        ("schedule=valor", "schedule: expected NAME/DATA"),
    ],
)
def test_what_no_option_can_be_is_named(word: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        readable([word])


def test_a_node_written_inline_takes_the_place_of_the_option() -> None:
    content = content_of("scheduler={_target_:torch.optim.lr_scheduler.ExponentialLR,gamma:0.9}", "data=llp")
    assert content["scheduler"] == {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.9}
    assert content_of("optimizer={_target_:torch.optim.SGD,lr:1}", multirun=True)["optimizer"]["lr"] == 1


def test_compose_job_takes_the_same_words(here: Path) -> None:
    assert plain(compose_config(["data=llp", "data.root=#1", "output_dir=x"]))["data"]["root"] == "#1"
