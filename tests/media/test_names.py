"""What classes are called by the embedded pair: LLP's 25, own names, own files, and names that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.llp import CLASSES
from leap_avvp.media.backbones.yamnet import class_names
from leap_avvp.media.names import imagenet_names, names_for
from tests.media.pretrained import needs

UNSEEN = ("Speech", "Cheering", "Fire_alarm", "Singing", "Baby_laughter", "Helicopter", "Baby_cry_infant_cry")
# A few of AudioSet's, so that most tests need no weights; with all that names.yaml has for the classes asked for.
SOUNDS = ("Speech", "Dog", "Bark", "Yip", "Bow-wow", "Whimper (dog)", "Church bell", "Cello", "Meow", "tabby", "Bird")


@needs("yamnet")
def test_all_of_llps_classes_are_heard_and_sixteen_seen() -> None:
    heard = class_names()
    names = names_for(CLASSES)
    assert names.classes == CLASSES
    for name, outputs in zip(CLASSES, names.audio, strict=True):
        spelled = {heard[place].replace(", ", "_").replace(" ", "_") for place in outputs}
        assert name in spelled, name  # AudioSet's own name of it, verbatim
    assert tuple(n for n, one in zip(CLASSES, names.image, strict=True) if not one) == (*UNSEEN, "Blender", "Clapping")
    by_name = dict(zip(CLASSES, names.audio, strict=True))
    assert {heard[place] for place in by_name["Clapping"]} == {"Clapping", "Applause"}
    assert {"Meow", "Cat"} <= {heard[place] for place in by_name["Cat"]}
    every = [place for outputs in names.audio for place in outputs]
    assert len(set(every)) == len(every)  # no sound stands for two classes


@needs("yamnet")
def test_what_is_seen_are_the_classes_that_the_comments_say() -> None:
    seen = {
        name: {imagenet_names()[place] for place in outputs}
        for name, outputs in zip(CLASSES, names_for(CLASSES).image, strict=True)
        if outputs
    }
    dogs = seen.pop("Dog")
    assert len(dogs) == 118
    assert {"Chihuahua", "Mexican hairless", "golden retriever", "pug", "standard poodle"} <= dogs
    assert not dogs & {"timber wolf", "sea lion", "dingo", "red fox"}
    assert len(seen.pop("Car")) == 12
    assert seen == {
        "Cat": {"tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat"},
        "Frying_(food)": {"frying pan", "wok"},
        "Basketball_bounce": {"basketball"},
        "Chainsaw": {"chain saw"},
        "Cello": {"cello"},
        "Banjo": {"banjo"},
        "Chicken_rooster": {"cock", "hen"},
        "Violin_fiddle": {"violin"},
        "Vacuum_cleaner": {"vacuum"},
        "Accordion": {"accordion"},
        "Lawn_mower": {"lawn mower"},
        "Motorcycle": {"moped", "motor scooter"},
        "Acoustic_guitar": {"acoustic guitar"},
        "Telephone_bell_ringing": {"dial telephone", "pay-phone"},
    }


def test_imagenets_names_are_in_order() -> None:
    names = imagenet_names()
    assert len(names) == 1000
    assert [names[n] for n in (0, 7, 281, 486, 621, 999)] == [
        *("tench", "cock", "tabby", "cello", "lawn mower", "toilet tissue")
    ]


def test_any_name_of_audioset_or_imagenet_is_a_class() -> None:
    names = names_for(["church_bell", "Goldfish", "TABBY", "dog", "cello"], audioset=SOUNDS)
    assert names.audio == ((6,), (), (9,), (1, 2, 3, 4, 5), (7,))
    assert names.image == ((), (1,), (281,), tuple(range(151, 269)), (486,))


def test_two_names_that_differ_by_a_capital_are_told_apart_where_they_are_spelled() -> None:
    assert names_for(["Cardigan", "cardigan", "CARDIGAN"], audioset=SOUNDS).image == ((264,), (474,), (264, 474))


def test_an_unknown_class_is_told_with_the_nearest_names() -> None:
    with pytest.raises(ConfigError, match=r"class 'Church bel': .*did you mean .*Church bell") as caught:
        names_for(["Church bel"], audioset=SOUNDS)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"did you mean Dog"):
        names_for(["Dogg"], audioset=SOUNDS)
    for name in ("", "  ", "Ωß", "x" * 1000):
        with pytest.raises(ConfigError, match="class "):
            names_for([name], audioset=SOUNDS)


def test_an_own_file_goes_before_the_packages(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(
        "classes:\n"
        "  Dog: {audio: [Bark], image: [pug, 151-153, 7]}\n"
        "  鐘: {audio: [church bell], image: null}\n"
        "  Cat: {image: [tabby]}\n"
    )
    names = names_for(["dog", "鐘", "cat", "Cello"], path, SOUNDS)
    assert names.audio == ((2,), (6,), (), (7,))
    assert names.image == ((254, 151, 152, 153, 7), (), (281,), (486,))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("classes: {Dog: {audio: [Barc]}}", r"classes\.Dog\.audio: AudioSet has no class 'Barc'; did you mean Bark"),
        ("classes: {Dog: {image: [1000]}}", r"classes\.Dog\.image: ImageNet has no class '1000'"),
        ("classes: {Dog: {image: [-1]}}", "ImageNet has no class '-1'"),
        ("classes: {Dog: {image: [5-3]}}", "ImageNet has no class '5-3'"),
        ("classes: {Dog: {image: [true]}}", "ImageNet has no class 'True'"),
        ("classes: {Dog: {audio: Bark}}", r"classes\.Dog\.audio: expected a list of AudioSet's names, or null"),
        ("classes: {Dog: {audio: []}}", "expected a list of AudioSet's names"),
        ("classes: {Dog: {sound: [Bark]}}", r"classes\.Dog: expected `classes:`"),
        ("classes: {Dog: {audio: null}}", "class 'Dog': expected a name"),
        ("classes: [Dog]", "expected `classes:`"),
        ("Dog: {audio: [Bark]}", "expected `classes:`"),
        ("", "expected `classes:`"),
    ],
)
def test_an_own_file_of_another_form_is_told(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        names_for(["Dog"], path, SOUNDS)
    assert "\n" not in str(caught.value)


def test_an_own_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "names.yaml"
    for content in (b"classes: {Dog: [", b"\xff\xfe\xff", b"!!python/object/apply:os.system ['true']"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot read it") as caught:
            names_for(["Dog"], path, SOUNDS)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="No such file"):
        names_for(["Dog"], tmp_path / "none.yaml", SOUNDS)
