"""A timeline of any video by a trained model: its features are extracted, window by window, and its parser says."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leap_avvp.errors import DataError
from leap_avvp.media.decode import Clip, probe, sound_spans
from leap_avvp.media.sampling import Window, stitch, windows
from leap_avvp.timeline.result import Timeline
from leap_avvp.timeline.zero_shot import segments_in, stretch_of, weight_facts

if TYPE_CHECKING:
    from leap_avvp.inference import Parser
    from leap_avvp.inference.result import ParseResult

__all__ = ["TrainedTimeline"]


class TrainedTimeline:
    """Parses clips: ``TrainedTimeline(leap_avvp.load("outputs/train/RUN"))(Clip(path))``.

    A video of more than the model's T segments is parsed in windows of which neighbours share half, and what they say
    is joined by weights that fade, so that there is no seam. Pictures and sound stand at their own times: nothing is
    stretched to T segments, and what lies behind the end is not judged.

    Args:
        parser: a trained model; its feature set must be one that can be extracted here.
        device: of the networks that extract features.
        backbones: these networks by stream, where they are loaded already.

    Raises:
        ConfigError: features that nothing here makes, or a package is not installed.
        DataError: weights are missing, with the command that gets them.
    """

    def __init__(self, parser: Parser, device: Any = "cpu", backbones: Mapping[str, Any] | None = None) -> None:
        from leap_avvp.media.extractor import Extractor, origins_of

        self.parser, self.card = parser, parser.card
        extractor = Extractor(origins_of(self.card.features), self.card.segments, self.card.seconds, str(device))
        self.recipes = extractor.recipes
        self.backbones = backbones or {stream: recipe.make(device=device) for stream, recipe in self.recipes.items()}

    def __call__(self, clip: Clip) -> Timeline:
        """Return what the model says of a clip.

        Raises:
            DataError: no media file.
        """
        card, info = self.card, probe(clip.path)
        duration = stretch_of(clip, info)
        segments = segments_in(duration, card.seconds)
        placed = list(windows(segments * card.seconds, card.segments, card.seconds, card.segments // 2))
        results = [self._window(clip, window, clip.start + duration) for window in placed]
        spans = sound_spans(clip) if info.has_audio else []
        ends = (np.arange(segments + 1) * card.seconds).tolist()
        heard = [any(a < end and b > begin for a, b in spans) for begin, end in itertools.pairwise(ends)]
        audio, audio_on = self._joined(placed, results, "audio", segments, np.array(heard))
        visual, visual_on = self._joined(placed, results, "visual", segments, np.full(segments, info.has_video))
        kind = type(getattr(self.parser.model, "decoder", self.parser.model)).__name__.removesuffix("Decoder")
        simulated = self.parser.trained_on == "simulated"
        notes = [
            *(["It was trained on SIMULATED data: what it says of a real video means nothing."] if simulated else []),
            *([] if info.has_audio else ["No sound: nothing was judged by ear, and the model was given silence."]),
            *([] if info.has_video else ["No pictures: nothing was judged by eye, and the model was given zeros."]),
            *(
                [f"Parsed in {len(placed)} windows of {card.segments} segments that overlap."]
                if len(placed) > 1
                else []
            ),
        ]
        weights = list(dict.fromkeys(recipe.weights for recipe in self.recipes.values()))
        return Timeline(
            name=clip.name or clip.path.stem,
            duration=duration,
            seconds=card.seconds,
            classes=card.classes,
            display=card.display,
            audio=audio,
            visual=visual,
            audio_on=audio_on,
            visual_on=visual_on,
            model=f"{kind} checkpoint {self.parser.source}",
            zero_shot=False,
            facts={
                "config_hash": self.parser.config_hash,
                "trained_on": self.parser.trained_on,
                "protocol": self.parser.protocol.name,
                "features": card.features.describe(),
                **weight_facts(*weights),
            },
            video=clip.path,
            start=clip.start,
            notes=tuple(notes),
        )

    def _window(self, clip: Clip, window: Window, end: float) -> ParseResult:
        """Parse T segments of a clip."""
        from leap_avvp.media.recipes import extract_stream

        start = clip.start + window.start
        part = dataclasses.replace(clip, start=start, end=max(min(clip.start + window.end, end), start + 1e-3))
        rows: dict[str, NDArray[np.float32]] = {}
        for stream, recipe in self.recipes.items():
            size = (self.card.segments, self.card.seconds)
            try:
                rows[stream] = extract_stream(part, recipe, self.backbones[stream], *size, stretch=False)
            except DataError:  # nothing to hear or see here
                rows[stream] = self._nothing(stream)
        return self.parser.parse(rows, clip.name)

    def _nothing(self, stream: str) -> NDArray[np.float32]:
        """Return (R, F): the features of digital silence; zeros where there is no picture."""
        recipe, (segments, seconds) = self.recipes[stream], (self.card.segments, self.card.seconds)
        if recipe.kind == "sound":
            silence = np.zeros(round(segments * seconds * recipe.rate), np.float32)
            return recipe.run(self.backbones[stream], silence, segments, seconds)
        return np.zeros((recipe.rows(segments), recipe.width), np.float32)

    def _joined(
        self,
        placed: Sequence[Window],
        results: Sequence[ParseResult],
        modality: str,
        segments: int,
        judged: NDArray[np.bool_],
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return (N, C) probabilities, NaN where nothing was judged, and what is on: what most of the windows say."""
        said = stitch(placed, [getattr(result, modality) for result in results], segments)
        on = stitch(placed, [getattr(result, f"{modality}_events").astype(float) for result in results], segments)
        said[~judged] = np.nan
        return said.astype(np.float32), (on >= 0.5) & judged[:, None]
