"""The LLP data set (Tian et al., ECCV 2020): its classes, sizes, splits and file names."""

from __future__ import annotations

__all__ = [
    "AUDIO_DIM",
    "CLASSES",
    "DENSE_FILES",
    "EMBEDDING_DIM",
    "FEATURE_FOLDERS",
    "FEATURE_SHAPES",
    "FRAMES_PER_SEGMENT",
    "NUM_CLASSES",
    "NUM_FRAMES",
    "NUM_SEGMENTS",
    "PSEUDO_LABEL_FOLDERS",
    "SPLITS",
    "SPLIT_SIZES",
    "VISUAL_2D_DIM",
    "VISUAL_3D_DIM",
    "WEAK_FILES",
    "video_id",
]

CLASSES: tuple[str, ...] = (
    "Speech",
    "Car",
    "Cheering",
    "Dog",
    "Cat",
    "Frying_(food)",
    "Basketball_bounce",
    "Fire_alarm",
    "Chainsaw",
    "Cello",
    "Banjo",
    "Singing",
    "Chicken_rooster",
    "Violin_fiddle",
    "Vacuum_cleaner",
    "Baby_laughter",
    "Accordion",
    "Lawn_mower",
    "Motorcycle",
    "Helicopter",
    "Acoustic_guitar",
    "Telephone_bell_ringing",
    "Baby_cry_infant_cry",
    "Blender",
    "Clapping",
)
"""Class names; the index is the class id."""

NUM_CLASSES = 25
NUM_SEGMENTS = 10
"""Segments of one second in a video."""
FRAMES_PER_SEGMENT = 8
NUM_FRAMES = NUM_SEGMENTS * FRAMES_PER_SEGMENT

AUDIO_DIM = 128
VISUAL_2D_DIM = 2048
VISUAL_3D_DIM = 512
EMBEDDING_DIM = 300

SPLITS: tuple[str, ...] = ("train", "val", "test")
SPLIT_SIZES: dict[str, int] = {"train": 10_000, "val": 649, "test": 1_200}

WEAK_FILES: dict[str, str] = {"train": "AVVP_train.csv", "val": "AVVP_val_pd.csv", "test": "AVVP_test_pd.csv"}
DENSE_FILES: dict[str, str] = {"audio": "AVVP_eval_audio.csv", "visual": "AVVP_eval_visual.csv"}

FEATURE_FOLDERS: dict[str, str] = {
    "audio": "feats/vggish",
    "video_2d": "feats/res152",
    "video_3d": "feats/r2plus1d_18",
}
FEATURE_SHAPES: dict[str, tuple[int, int]] = {
    "audio": (NUM_SEGMENTS, AUDIO_DIM),
    "video_2d": (NUM_FRAMES, VISUAL_2D_DIM),
    "video_3d": (NUM_SEGMENTS, VISUAL_3D_DIM),
}
PSEUDO_LABEL_FOLDERS: dict[str, str] = {
    "audio": "CLAP/segment_pseudo_labels",
    "visual": "CLIP/segment_pseudo_labels",
}


def video_id(filename: str) -> str:
    """Return the YouTube id (the first 11 characters) of a ``<id>_<start>_<end>`` name of the annotation files."""
    return filename[:11]
