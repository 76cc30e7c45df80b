"""The figure of a parsed video, read back from its artists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from leap_avvp.card import LLP, DataCard
from leap_avvp.figures.bars import assign_lanes
from leap_avvp.figures.palette import CLASS_STYLES, class_styles
from leap_avvp.figures.parsing import MODALITIES, ParsedVideo, Parsing, runs_of
from leap_avvp.figures.save import SIMULATED, save_figure
from leap_avvp.figures.video import video_figure


def events(*runs: tuple[str, int, int, int]) -> dict[str, np.ndarray]:
    """Return grids with runs (modality, class, first, last)."""
    grids = {name: np.zeros((10, 25), dtype=np.bool_) for name in MODALITIES}
    for name, label, first, last in runs:
        grids[name][first : last + 1, label] = True
    return grids


@pytest.fixture
def video() -> ParsedVideo:
    rng = np.random.default_rng(0)
    maps = [{name: rng.random((25, 10), dtype=np.float32) for name in MODALITIES} for _ in range(3)]
    attention = {name: map_ / map_.sum(axis=1, keepdims=True) for name, map_ in maps[2].items()}
    attention["visual"][3] = [0.82] + [0.02] * 9  # the strongest of both modalities
    truth = events(("audio", 0, 0, 3), ("audio", 0, 6, 9), ("audio", 20, 2, 5), ("visual", 20, 0, 9))
    threshold = dict.fromkeys(MODALITIES, 0.5)
    mmil = Parsing("MMIL", events(("audio", 0, 0, 3), ("visual", 12, 5, 5)), maps[0], None, threshold)
    leap = Parsing("LEAP", events(("audio", 0, 0, 4), ("visual", 20, 0, 9)), maps[1], attention, threshold)
    return ParsedVideo("sim000000te", "simulated", truth, (mmil, leap), ("filter=union", "filter=union"))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def titled(figure: Figure, title: str) -> list[Axes]:
    return [axis for axis in figure.axes if axis.get_title() == title]


def bars(axis: Axes) -> list[tuple[str, float, float, str, str]]:
    """Return (class, start, length, colour, hatch) of the event bars from top to bottom."""
    patches = [patch for patch in axis.patches if isinstance(patch, Rectangle) and patch.get_fill()]
    patches.sort(key=lambda patch: (patch.get_y(), patch.get_x()))
    return [
        (patch.get_label(), patch.get_x(), patch.get_width(), to_hex(patch.get_facecolor()), patch.get_hatch())
        for patch in patches
    ]


def test_bars_are_the_events_of_truth_and_runs_in_the_colours_of_their_classes(video) -> None:
    figure = video_figure(video)
    (audio,), (visual,) = titled(figure, "audio"), titled(figure, "visual")
    assert [label.get_text() for label in audio.get_yticklabels()] == ["GT", "MMIL", "LEAP"]
    speech, guitar, rooster = ((CLASS_STYLES[label].colour.lower(), CLASS_STYLES[label].hatch) for label in (0, 20, 12))
    assert bars(audio) == [
        ("Speech", 0, 4, *speech),
        ("Speech", 6, 4, *speech),
        ("Acoustic guitar", 2, 4, *guitar),
        ("Speech", 0, 4, *speech),
        ("Speech", 0, 5, *speech),
    ]
    assert bars(visual) == [
        ("Acoustic guitar", 0, 10, *guitar),
        ("Chicken rooster", 5, 1, *rooster),
        ("Acoustic guitar", 0, 10, *guitar),
    ]
    assert audio.get_xlim() == visual.get_xlim() == (0, 10)


def test_rows_do_not_overlap_and_share_their_places_over_the_modalities(video) -> None:
    figure = video_figure(video)
    (audio,), (visual,) = titled(figure, "audio"), titled(figure, "visual")
    assert list(audio.get_yticks()) == list(visual.get_yticks())
    (first, second) = sorted(line.get_ydata()[0] for line in audio.lines)
    low, high = audio.get_ylim()
    assert high < first < second < low
    rows = [[bar for bar in audio.patches if a < bar.get_y() < b] for a, b in ((high, first), (first, second))]
    assert [len([bar for bar in row if bar.get_fill()]) for row in rows] == [3, 1]


def test_each_class_that_is_drawn_is_in_the_key_and_bars_bear_their_name(video) -> None:
    figure = video_figure(video)
    (key,) = [axis for axis in figure.axes if not axis.axison]
    assert [text.get_text() for text in key.texts] == ["Speech", "Chicken rooster", "Acoustic guitar"]
    (audio,), (visual,) = titled(figure, "audio"), titled(figure, "visual")
    assert [text.get_text() for text in audio.texts].count("Speech") == 4
    beside = next(text for text in visual.texts if text.get_text() == "Chicken rooster")
    assert beside.get_position()[0] > 6, "a bar of one second has its name behind it"
    short = events(*[("audio", 7, second, second) for second in range(0, 10, 2)])
    crowded = dataclasses.replace(video, truth=short, parsings=())
    assert not titled(video_figure(crowded), "audio")[0].texts, "no name runs into the next bar"


def test_maps_are_attention_and_probability_on_scales_that_both_modalities_share(video) -> None:
    figure = video_figure(video)
    expected = {
        "P MMIL": [video.parsings[0].probability[name] for name in MODALITIES],
        "A LEAP": [video.parsings[1].attention[name] for name in MODALITIES],
        "P LEAP": [video.parsings[1].probability[name] for name in MODALITIES],
    }
    scales: dict[str, set[tuple[float, float]]] = {}
    for title, maps in expected.items():
        axes = titled(figure, title)
        assert len(axes) == 2
        assert axes[0].get_position().x0 < axes[1].get_position().x0, "audio on the left"
        for axis, map_ in zip(axes, maps, strict=True):
            (mesh,) = [item for item in axis.collections if isinstance(item, QuadMesh)]
            np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(25, 10), map_)
            scales.setdefault(title[0], set()).add(mesh.get_clim())
            assert axis.get_ylim() == (25, 0), "the first class on top"
    assert scales["P"] == {(0, 1)}
    assert scales["A"] == {(0, 0.85)}, "up to the strongest of both modalities, rounded up"
    assert not titled(figure, "A MMIL")
    assert any("No cross-modal attention in MMIL" in text for text in texts(figure))


def test_true_events_are_framed_on_every_map_and_are_the_truth_map(video) -> None:
    figure = video_figure(video)
    for number, name in enumerate(MODALITIES):
        true = {
            (float(start), float(label), float(length))
            for label in range(25)
            for start, length in runs_of(video.truth[name][:, label])
        }
        for title in ("Y truth", "P MMIL", "A LEAP", "P LEAP"):
            axis = titled(figure, title)[number]
            frames = [patch for patch in axis.patches if patch.get_clip_on() or not patch.get_fill()]
            found = {(patch.get_x(), patch.get_y(), patch.get_width()) for patch in frames if patch.get_x() >= 0}
            assert found == true, (name, title)


def test_names_of_classes_that_occur_are_bold(video) -> None:
    axis = titled(video_figure(video), "Y truth")[0]
    weights = {label.get_text(): label.get_fontweight() for label in axis.get_yticklabels()}
    assert len(weights) == 25
    assert {name for name, weight in weights.items() if weight == "bold"} == {"Speech", "Acoustic guitar"}


def test_only_simulated_videos_are_marked(video) -> None:
    assert SIMULATED in texts(video_figure(video))
    real = dataclasses.replace(video, data_source="llp")
    assert not any("SIMULATED" in text for text in texts(video_figure(real)))


def test_long_names_become_numbers_above_the_maps(video) -> None:
    leap = video.parsings[1]
    pair = tuple(dataclasses.replace(leap, label=f"LEAP (seed={seed})") for seed in (3, 4))
    figure = video_figure(dataclasses.replace(video, parsings=pair))
    (audio,) = titled(figure, "audio")
    assert [label.get_text() for label in audio.get_yticklabels()] == ["GT", "1: LEAP (seed=3)", "2: LEAP (seed=4)"]
    assert all(len(titled(figure, title)) == 2 for title in ("A 1", "P 1", "A 2", "P 2"))


def test_a_video_without_events_and_an_id_like_a_formula_are_drawn(video) -> None:
    none = tuple(dataclasses.replace(parsing, events=events()) for parsing in video.parsings)
    figure = video_figure(dataclasses.replace(video, video_id="-$a_$bcdefg", truth=events(), parsings=none))
    assert "-$a_$bcdefg" in texts(figure)
    assert bars(titled(figure, "audio")[0]) == []
    figure.draw_without_rendering()


def test_lanes_are_shared_only_by_classes_that_never_touch() -> None:
    one = events(("audio", 1, 0, 3), ("audio", 2, 2, 6), ("audio", 3, 5, 9), ("audio", 4, 7, 9))["audio"]
    two = events(("audio", 4, 4, 4))["audio"]
    assert assign_lanes([one]) == {1: 0, 2: 1, 3: 0, 4: 2}, "2 and 4 touch at second 7"
    assert assign_lanes([two, two]) == {4: 0}
    assert assign_lanes([events()["audio"]]) == {}


# Other cards

Make = Callable[..., DataCard]


def own_video(card: DataCard, true: list[int], said: list[int], seed: int = 0) -> ParsedVideo:
    """Return a video of two runs: the true classes are on in the first half, those that are said in the second."""
    rng = np.random.default_rng(seed)
    shape = (card.segments, card.num_classes)
    half = -(-card.segments // 2)
    truth, predicted = ({name: np.zeros(shape, dtype=np.bool_) for name in MODALITIES} for _ in range(2))
    for name in MODALITIES:
        truth[name][:half, true] = True
        predicted[name][card.segments - half :, said] = True
    maps = {name: rng.random(shape[::-1], dtype=np.float32) for name in MODALITIES}
    attention = {name: map_ / map_.sum(axis=1, keepdims=True) for name, map_ in maps.items()}
    threshold = dict.fromkeys(MODALITIES, 0.5)
    mmil = Parsing("MMIL", predicted, maps, None, threshold)
    leap = Parsing("LEAP", truth, maps, attention, threshold)
    return ParsedVideo("own_video", card.name, truth, (mmil, leap), ("filter=union", "filter=union"), card)


def row_names(figure: Figure) -> list[str]:
    return [label.get_text() for label in titled(figure, "Y truth")[0].get_yticklabels()]


def drawn(figure: Figure) -> Figure:
    figure.draw_without_rendering()  # warnings are errors here
    return figure


def test_of_many_classes_those_that_occur_are_shown_and_the_note_says_so(make_card: Make) -> None:
    video = own_video(make_card(100, 60), true=[3, 41], said=[97, 12])
    figure = drawn(video_figure(video))
    assert row_names(figure)[1:] == ["class_12", "class_41", "class_97"]
    assert row_names(figure)[0].endswith("…")
    assert any(
        "Shown: 4 of 100 classes, those that occur in the truth or a prediction." in text for text in texts(figure)
    )
    for title, maps in (("P MMIL", video.parsings[0].probability), ("A LEAP", video.parsings[1].attention)):
        for axis, name in zip(titled(figure, title), MODALITIES, strict=True):
            (mesh,) = [item for item in axis.collections if isinstance(item, QuadMesh)]
            np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(4, 60), maps[name][[3, 12, 41, 97]])
            assert axis.get_xlim() == (0, 60)
            assert axis.get_ylim() == (4, 0)
    axis = titled(figure, "Y truth")[0]
    weights = [label.get_fontweight() for label in axis.get_yticklabels()]
    assert weights == ["bold", "normal", "bold", "normal"]
    fewer = video_figure(own_video(make_card(100, 60), true=[3], said=[3]))
    assert fewer.get_figheight() < figure.get_figheight() < video_figure(own_video(LLP, [3], [4])).get_figheight() + 1


def test_bars_of_a_large_card_have_the_looks_of_their_own_classes(make_card: Make) -> None:
    card = make_card(100, 60, 0.5)
    figure = video_figure(own_video(card, true=[41], said=[97]))
    styles = class_styles(card)
    (audio,) = titled(figure, "audio")
    one, other = ((styles[label].colour.lower(), styles[label].hatch) for label in (41, 97))
    assert bars(audio) == [
        ("class_41", 0, 15, *one),
        ("class_97", 15, 15, *other),
        ("class_41", 0, 15, *one),
    ]
    assert audio.get_xlim() == (0, 30), "60 segments of half a second"
    assert audio.get_xlabel() == "time (s)"


def test_of_too_many_the_strongest_are_shown(make_card: Make) -> None:
    card = make_card(100, 60)
    figure = drawn(video_figure(own_video(card, true=[99], said=list(range(50)))))
    assert len(row_names(figure)) == 30
    assert row_names(figure)[-1] == "class_99", "what is true goes first"
    assert any("21 more that occur in the truth or a prediction are left out." in text for text in texts(figure))
    key = next(axis for axis in figure.axes if not axis.axison)
    assert len(key.texts) == 30, "nor have those bars"


def test_of_many_classes_of_which_none_occurs_the_most_probable_are_shown(make_card: Make) -> None:
    video = own_video(make_card(60, 10), true=[], said=[])
    for parsing in video.parsings:
        parsing.probability["visual"][17] = 2  # above all others
    figure = drawn(video_figure(video))
    assert "class_17" in row_names(figure)
    assert len(row_names(figure)) == 5
    assert any("those of the highest probabilities" in text for text in texts(figure))


@pytest.mark.parametrize(
    ("classes", "segments", "seconds"),
    [(1, 1, 10.0), (1, 10, 1.0), (28, 10, 1.0), (30, 7, 0.96), (527, 10, 1.0), (40, 600, 0.5)],
)
def test_any_size_is_drawn(make_card: Make, classes: int, segments: int, seconds: float) -> None:
    card = make_card(classes, segments, seconds)
    figure = drawn(video_figure(own_video(card, true=[0], said=[0, classes - 1])))
    shown = classes if classes <= 30 else 2
    assert len(row_names(figure)) == shown
    assert figure.get_figheight() < 8
    for title in ("audio", "visual", "Y truth", "P LEAP"):
        for axis in titled(figure, title):
            assert axis.get_xlim() == (0, pytest.approx(card.duration))
    for axis in titled(figure, "P LEAP"):
        (mesh,) = [item for item in axis.collections if isinstance(item, QuadMesh)]
        assert np.asarray(mesh.get_array()).size == shown * segments


def test_names_are_drawn_as_letters_not_as_formulas(make_card: Make, tmp_path: Path) -> None:
    video = own_video(make_card(5, 10), true=[3], said=[3])
    figure = video_figure(video)
    short = row_names(figure)[3]
    assert short.startswith("playing the $\\alpha$")
    (key,) = [axis for axis in figure.axes if not axis.axison]
    assert [text.get_text() for text in key.texts] == [short]
    written = save_figure(figure, tmp_path, "own")  # a formula of \alpha alone would be read, of `$_` not
    assert f"<!-- {short} -->" in written[1].read_text(encoding="utf-8")
    awkward = dataclasses.replace(video.card, display=("$_$", "$5 and $6", "_", "\\$x$", "a|b<c>&"))
    save_figure(video_figure(dataclasses.replace(video, card=awkward)), tmp_path, "awkward")


def test_the_scale_of_attention_follows_the_number_of_segments(make_card: Make) -> None:
    even = {}
    for segments in (1, 10, 60, 600):
        video = own_video(make_card(5, segments), true=[0], said=[0])
        flat = {name: np.full((5, segments), 1 / segments, dtype=np.float32) for name in MODALITIES}
        leap = dataclasses.replace(video.parsings[1], attention=flat)
        figure = video_figure(dataclasses.replace(video, parsings=(leap,)))
        (mesh,) = [item for item in titled(figure, "A LEAP")[0].collections if isinstance(item, QuadMesh)]
        even[segments] = mesh.get_clim()[1] * segments
    assert even[1] == 1
    assert even[10] == pytest.approx(2)
    assert all(2 <= even[segments] <= 3 for segments in (60, 600)), "even attention looks like no peak"


def test_the_name_of_other_data_stands_on_the_figure(make_card: Make) -> None:
    figure = video_figure(own_video(make_card(5, 10), true=[3], said=[3]))
    assert "data: own" in texts(figure)
    assert not any("SIMULATED" in text for text in texts(figure))
