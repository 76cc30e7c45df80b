"""UWAV's released program (Franklin905/UWAV)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from leap_avvp.card import FeatureSet
from leap_avvp.errors import DataError
from leap_avvp.models import JointFrontend, VideoParser
from leap_avvp.models.frontend import StreamFrontend
from leap_avvp.released.links import Link, Shape, dead_layer, layer, mmil
from leap_avvp.released.program import Architecture, known_sets, size
from leap_avvp.released.valor import SequentialProgram

__all__ = ["UWAVProgram"]

_JOINT = "fc_fusion.layers.0"
_UNREAD_WIDTH = 2048 + 512  # of ResNet-152 and R(2+1)D, the program's defaults


class UWAVProgram(SequentialProgram):
    """UWAV, with R(2+1)D or without it; 16 heads unless told otherwise.

    Without it the program keeps the joint map, which nothing reads then, and visual features go in as they are.
    """

    name = "UWAV"
    frontend = "joint"
    num_heads = 16
    feed_forward_dim = 2048
    marks = ("fc_a.layers.",)

    def recognise(self, shapes: Mapping[str, Shape], features: FeatureSet | None) -> Architecture | None:
        """See :meth:`Program.recognise`.

        Names do not tell whether the joint map is read: it is taken to be, where one of the package's feature sets has
        three streams of such widths; else a set fits whose visual features have the encoder's width.
        """
        own = self.of_shapes(shapes)
        if own is None:
            return None
        joint = size(shapes, f"{_JOINT}.weight", 1, _UNREAD_WIDTH)
        if features is None:
            audio = size(shapes, "fc_a.layers.0.weight", 1, 1)
            features = _features(audio, joint, own.dim)
        return dataclasses.replace(own, features=features, unread_width=0 if "video_3d" in features.streams else joint)

    def of_parser(self, parser: VideoParser) -> Architecture | None:
        """See :meth:`Program.of_parser`."""
        own, frontend = self.of_encoder(parser), parser.frontend
        if own is None or not isinstance(frontend, JointFrontend) or frontend.project_visual != frontend.has_3d:
            return None
        kept = (parser.released_extras or {}).get(f"{_JOINT}.weight")
        unread = _UNREAD_WIDTH if kept is None else kept.shape[-1]
        return dataclasses.replace(own, unread_width=0 if frontend.has_3d else unread)

    def words(self, architecture: Architecture) -> list[str]:
        """See :meth:`Program.words`."""
        reads = str(not architecture.unread_width).lower()
        return [*super().words(architecture), f"frontend.project_visual={reads}"]

    def links(self, architecture: Architecture) -> Iterator[Link]:
        """See :meth:`Program.links`."""
        yield from layer("frontend.audio_inner", "fc_a.layers.0")
        yield from layer("frontend.audio", "fc_a.layers.1")
        if not architecture.unread_width:
            yield from layer("frontend.fusion", _JOINT)
        yield from self.encoder_links(architecture)
        yield from mmil({"time_attention": "fc_frame_att.layers.0", "modality_attention": "fc_av_att.layers.0"})

    def dead(self, architecture: Architecture) -> Iterator[tuple[str, Shape]]:
        """See :meth:`Program.dead`."""
        yield from super().dead(architecture)
        if architecture.unread_width:
            yield from dead_layer(_JOINT, architecture.dim, architecture.unread_width)

    def front_end(self, architecture: Architecture) -> StreamFrontend:
        """Return the front end."""
        projected = not architecture.unread_width
        return JointFrontend(architecture.dim, architecture.features, project_visual=projected)


def _features(audio: int, joint: int, dim: int) -> FeatureSet:
    """Return the feature set that the widths of the program's inputs tell."""
    sets = [known for known in known_sets() if known.widths["audio"] == audio and "video_3d" in known.widths]
    for known in sets:
        if known.widths["video_2d"] + known.widths["video_3d"] == joint:
            return known
    for known in sets:
        if known.widths["video_2d"] == dim:
            flat = {name: stream for name, stream in known.streams.items() if name != "video_3d"}
            return dataclasses.replace(known, streams=flat)
    raise DataError(
        f"weights: UWAV of audio features of width {audio} and visual ones of width {joint} together: no feature set "
        "of the package has these; name it with `features` (of `leap-avvp convert`: --features, a name or a YAML file)"
    )
