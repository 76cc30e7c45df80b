"""Colours of the classes: different to every eye, and with ink that can be read on them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from leap_avvp.card import LLP
from leap_avvp.figures.palette import CLASS_STYLES, KIND_STYLES, class_styles
from leap_avvp.llp import CLASSES
from leap_avvp.metrics.errors import DecisionCounts

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colours: list[str]) -> np.ndarray:
    rgb = np.array([[int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)] for colour in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    ratio = (np.clip(rgb, 0, 1) @ XYZ.T) / XYZ.sum(axis=1)
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_classes_differ_in_colour_and_those_of_one_hatch_clearly(vision: str) -> None:
    places = lab(linear([style.colour for style in CLASS_STYLES]) @ VISION[vision].T)
    for one, other in itertools.combinations(range(len(CLASSES)), 2):
        distance = np.linalg.norm(places[one] - places[other])
        same_hatch = CLASS_STYLES[one].hatch == CLASS_STYLES[other].hatch
        assert distance >= (21 if same_hatch else 15), (CLASSES[one], CLASSES[other], vision)


def test_names_are_readable_and_ink_contrasts() -> None:
    assert [style.name.replace(" ", "_") for style in CLASS_STYLES] == list(CLASSES)
    for style in (*CLASS_STYLES, *KIND_STYLES.values()):
        luminance = float(linear([style.colour])[0] @ XYZ[1])
        ink = {"black": 0.0, "white": 1.0}[style.ink]
        lighter, darker = max(luminance, ink), min(luminance, ink)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, style.name  # WCAG 2, AA


def test_every_kind_of_decision_but_silence_has_a_style_of_its_own() -> None:
    assert set(KIND_STYLES) == set(DecisionCounts._fields) - {"silent"}
    assert len({(style.colour, style.hatch) for style in KIND_STYLES.values()}) == len(KIND_STYLES)


def test_llps_looks_are_as_ever() -> None:
    assert class_styles(LLP) == CLASS_STYLES
    looks = [(style.name, style.colour, style.hatch) for style in CLASS_STYLES]
    assert looks[:2] == [("Speech", "#3B769D", ""), ("Car", "#D862C4", "///")]
    assert looks[5] == ("Frying (food)", "#B1B176", "")
    assert looks[24] == ("Clapping", "#891400", "xxx")


def test_a_thousand_classes_differ_and_neighbours_in_colour_and_hatch(make_card) -> None:
    styles = class_styles(make_card(1000, 10))
    assert len({(style.colour, style.hatch) for style in styles}) == 1000
    assert all(one.colour != other.colour and one.hatch != other.hatch for one, other in itertools.pairwise(styles))
    assert [(style.colour, style.hatch) for style in styles[:25]] == [
        (style.colour, style.hatch) for style in CLASS_STYLES
    ]


def test_names_are_what_the_card_shows_and_can_be_drawn() -> None:
    card = dataclasses.replace(LLP, classes=("a_b", "c"), display=("A: b\x1b", "Geräusch $1"))
    assert [style.name for style in class_styles(card)] == ["A: b\N{REPLACEMENT CHARACTER}", "Geräusch $1"]
