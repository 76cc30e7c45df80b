"""The page as text: self-contained, safe whatever a name holds, and small for long videos."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from leap_avvp.errors import DataError
from leap_avvp.timeline import ZERO_SHOT, write_page
from leap_avvp.timeline.page import page

NASTY = "</script><b>x"


class Elements(HTMLParser):
    """Collects elements and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[int, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.inside[len(self.found) - 1] = self.inside.get(len(self.found) - 1, "") + data

    def every(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [own for name, own in self.found if name == tag and attributes.items() <= own.items()]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        places = [n for n, (name, own) in enumerate(self.found) if name == tag and attributes.items() <= own.items()]
        return [self.inside.get(place, "").strip() for place in places]


def test_it_says_who_said_so_and_what_that_means(make) -> None:
    elements = Elements(page(make(), "."))
    assert elements.texts("strong")[0] == "zero-shot: YAMNet + EfficientNet-Lite0"
    assert ZERO_SHOT in page(make(), ".").replace("&#39;", "'")
    assert "Read first" not in page(make(zero_shot=False), ".")
    assert elements.texts("dt") == ["leap-avvp", "weights, YAMNet"]


def test_a_row_for_what_occurs_and_the_rest_hidden(make) -> None:
    elements = Elements(page(make(), "."))
    rows = elements.every("div", role="row")
    names = list(
        zip(elements.texts("span", **{"class": "name"}), elements.texts("span", **{"class": "how"}), strict=True)
    )
    assert names == [
        *(("Dog", "heard"), ("Dog", "seen"), ("Speech", "heard"), ("Speech", "seen")),
        *(("Cat", "heard"), ("Cat", "seen")),
    ]
    assert ["hidden" in row for row in rows] == [False] * 4 + [True] * 2
    assert ["unjudged" in str(row["class"]) for row in rows] == [False] * 3 + [True] + [False] * 2
    titles = [own["title"] for own in elements.every("div", role="rowheader")]
    assert titles[3] == "Speech, seen, not judged"


def test_probabilities_and_events_are_those_of_the_timeline(make) -> None:
    (text,) = Elements(page(make(), ".")).texts("script", id="data")
    content = json.loads(text)
    heard = np.frombuffer(base64.b64decode(content["rows"][0]["v"]), np.uint8)
    np.testing.assert_array_equal(heard, [198, 196, 146, 194, 196, 192, 182, 188, 192, 64])
    assert content["rows"][0]["on"] == [[0, 9]]
    assert content["rows"][1]["on"] == [[1, 2], [3, 10]]
    assert content["rows"][3] == {"v": None, "on": []}


def test_segments_that_were_not_judged_are_no_probability(make) -> None:
    audio = np.full((10, 3), 0.999, np.float32)
    audio[4:, 0] = np.nan
    (text,) = Elements(page(make(audio=audio, visual=audio), ".")).texts("script", id="data")
    values = np.frombuffer(base64.b64decode(json.loads(text)["rows"][0]["v"]), np.uint8)
    assert values.tolist() == [200] * 4 + [255] * 6


def test_names_are_shown_literally(make) -> None:
    text = page(
        make(
            classes=(NASTY, '" onmouseover="x', "Cat"),
            name="<img src=x>&amp;",
            model=NASTY,
            notes=(NASTY,),
            facts={NASTY: NASTY},
        ),
        ".",
    )
    elements = Elements(text)
    assert elements.texts("h1") == ["<img src=x>&amp;"]
    assert elements.texts("span", **{"class": "name"})[2] == NASTY
    assert elements.texts("dt") == elements.texts("dd") == [NASTY]
    assert not elements.every("b")
    assert not elements.every("img")
    assert not any("onmouseover" in own for _, own in elements.found)
    assert len(elements.every("script")) == 2


def test_only_its_own_style_and_script_may_run(make) -> None:
    text = page(make(), ".")
    (policy,) = Elements(text).every("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.split(maxsplit=1) for rule in str(policy["content"]).split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["media-src"] == "'self' file: data: blob:"
    assert rules["img-src"] == "data:"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert "://" not in re.sub(r"<script>.*</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"<[^>]* (style|on[a-z]+)=", text), "the policy would ignore it"


@pytest.mark.parametrize(
    "name", ["clip.mp4", "a b#c?d%e.mp4", "Hündin & <b>.webm", "x:y.mp4", os.fsdecode(b"\xff.mp4")]
)
def test_the_video_is_linked_from_where_the_page_lies(make, tmp_path: Path, name: str) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "out").mkdir()
    write_page(make(video=tmp_path / "videos" / name), tmp_path / "out" / "page.html")
    (video,) = Elements((tmp_path / "out" / "page.html").read_text(encoding="utf-8")).every("video")
    source = str(video["src"])
    assert source.startswith("../videos/")
    assert not set('#?: <>"') & set(source)
    assert (
        os.fsdecode(unquote(source, errors="surrogateescape").encode(errors="surrogateescape")) == f"../videos/{name}"
    )


def test_an_embedded_video_is_in_the_page_with_its_size(make, tmp_path: Path) -> None:
    clip = tmp_path / "clip.webm"
    clip.write_bytes(bytes(range(256)) * 4000)
    elements = Elements(page(make(video=clip), tmp_path, embed=True))
    kind, _, content = str(elements.every("video")[0]["src"]).partition(";base64,")
    assert kind == "data:video/webm"
    assert base64.b64decode(content) == clip.read_bytes()
    assert elements.texts("dd")[-1] == "clip.webm, inside this page (1.0 MB)"


def test_a_video_that_cannot_be_embedded_is_one_line(make, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(DataError, match=r"gone\.mp4: cannot be read"):
        page(make(video=tmp_path / "gone.mp4"), tmp_path, embed=True)
    monkeypatch.setattr("leap_avvp.timeline.page.MOST_BYTES", 2_000_000)
    (tmp_path / "big.mp4").write_bytes(bytes(3_000_000))
    with pytest.raises(DataError, match=r"at most 2 MB .* found 3 MB; leave the video out"):
        page(make(video=tmp_path / "big.mp4"), tmp_path, embed=True)


def test_without_a_video_it_says_so(make) -> None:
    elements = Elements(page(make(), "."))
    assert "hidden" in elements.every("video")[0]
    assert elements.texts("p", id="why") == ["No video belongs to this page. The timeline below works without it."]
    assert "hidden" not in elements.every("div", id="missing")[0]


def test_two_hours_and_many_classes_stay_small(make_long) -> None:
    text = page(make_long(7200, 25), ".")
    assert len(text) < 1_500_000
    assert len(Elements(text).found) < 10_000
    quiet = make_long(100, 1000, audio_on=np.zeros((100, 1000), np.bool_), visual_on=np.zeros((100, 1000), np.bool_))
    assert len(Elements(page(quiet, ".")).every("div", role="row")) == 400
    assert "1600 rows with lower probabilities are left out" in page(quiet, ".")


def test_nothing_found_is_said(make) -> None:
    nothing = np.zeros((10, 3), np.bool_)
    text = page(make(audio_on=nothing, visual_on=nothing), ".")
    assert "Nothing is heard or seen surely enough" in text
    assert "0 events" in text
