"""CLIP and CLAP from local folders of tiny random models of transformers' real classes, without a network.

Held against transformers' own image processor and feature extractor, and against plain readings of the authors' steps.
"""

from __future__ import annotations

import json
import math
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from leap_avvp.errors import ConfigError, DataError
from leap_avvp.media.backbones.clap import CLAP, SAMPLES, fill, mel_picture, stretch
from leap_avvp.media.backbones.clap_laion import load_laion, read_laion, transformers_name
from leap_avvp.media.backbones.clip import CLIP, crop_picture, squash_picture
from leap_avvp.media.images import CLIP_NORM, normalise
from tests.media.tiny import clap_folder, clip_folder

transformers = pytest.importorskip("transformers", minversion="5", reason="needs transformers 5 (the extra `clip`)")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # who asks a network fails at once


@pytest.fixture(scope="module")
def clip_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip_folder(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module", params=[True, False], ids=["fused", "unfused"])
def clap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CLAP:
    return CLAP(clap_folder(tmp_path_factory.mktemp("clap"), request.param))


def pictures(count: int = 3, height: int = 40, width: int = 60) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def noise(count: int, seed: int = 0, loud: float = 0.5) -> np.ndarray:
    return (loud * np.random.default_rng(seed).uniform(-1, 1, count)).astype(np.float32)


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {_Harm.target}",)

    target = ""


# CLIP


def test_valors_features_are_of_length_1_and_openais_are_not(clip_dir: Path) -> None:
    valor, openai = CLIP(clip_dir), CLIP(clip_dir, preparation="openai")
    some = pictures()
    for clip in (valor, openai):
        assert clip(some).shape == (3, clip.width) == (3, 24)
        assert clip(some).dtype == np.float32
        np.testing.assert_array_equal(clip(some), clip(some))
        np.testing.assert_allclose(clip(some)[1:2], clip(some[1:2]), atol=1e-6)
        assert clip([]).shape == (0, 24)
    np.testing.assert_allclose(np.linalg.norm(valor(some), axis=1), 1, atol=1e-6)
    assert np.abs(np.linalg.norm(openai(some), axis=1) - 1).min() > 1e-3
    assert np.abs(valor(some) - openai(some)).max() > 1e-3


def test_features_are_what_transformers_computes(clip_dir: Path) -> None:
    model = transformers.CLIPModel.from_pretrained(clip_dir).eval()
    some = pictures()
    pixels = np.stack([squash_picture(one, 32) for one in some])
    mean, deviation = (np.float32(part)[:, None, None] for part in CLIP_NORM)
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip_dir)
    prompts = ["a photo of a dog", "a photo of a violin and a car and a cat"]
    with torch.inference_mode():
        out = model(
            **tokenizer(prompts, padding=True, return_tensors="pt"),
            pixel_values=torch.from_numpy((pixels - mean) / deviation),
        )
    clip = CLIP(clip_dir)
    np.testing.assert_allclose(clip(some), out.image_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(clip.text(prompts), out.text_embeds.numpy(), atol=1e-5)
    logits = clip.scale * clip(some) @ clip.text(prompts).T  # what VALOR's thresholds are for
    np.testing.assert_allclose(logits, out.logits_per_image.numpy(), atol=1e-3)


def test_openais_pictures_are_those_of_transformers_own_processor() -> None:
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil()
    for height, width, lower in ((240, 320, 0), (300, 224, 0), (224, 224, 0), (96, 64, 0), (90, 64, 1)):
        one = pictures(1, height, width)[0]
        theirs = processor(images=one, return_tensors="np")["pixel_values"]
        ours = normalise([crop_picture(one)], CLIP_NORM).numpy()
        assert ours.shape == theirs.shape == (1, 3, 224, 224)
        # Of 315 rows openai's torchvision leaves 46 out above (45.5 rounded to even), transformers 45.
        np.testing.assert_allclose(ours[:, :, : 224 - lower], theirs[:, :, lower:], atol=1e-5)


def test_texts_that_are_too_long_are_cut(clip_dir: Path) -> None:
    clip = CLIP(clip_dir)
    assert clip.text(["a photo of " * 100]).shape == (1, 24)


def test_wrong_folders(clip_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a folder with config\.json and weights of a CLIPModel"):
        CLIP(tmp_path)
    with pytest.raises(ConfigError, match="preparation: expected one of valor, openai, found 'vallor'; did you mean"):
        CLIP(clip_dir, preparation="vallor")
    (tmp_path / "config.json").write_text((clip_dir / "config.json").read_text())
    with pytest.raises(DataError, match="expected a CLIPModel, cannot load it"):
        CLIP(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((clip_dir / "model.safetensors").read_bytes()[:-50])
    with pytest.raises(DataError, match="expected a CLIPModel, cannot load it"):
        CLIP(tmp_path)
    config = json.loads((clip_dir / "config.json").read_text())
    config["vision_config"]["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((clip_dir / "model.safetensors").read_bytes())
    with pytest.raises(
        DataError, match="expected all weights of a CLIPModel; missing or of another shape: vision_model"
    ):
        CLIP(tmp_path)


def test_without_a_tokenizer(clip_dir: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((clip_dir / name).read_bytes())
    clip = CLIP(tmp_path)
    assert clip(pictures(1)).shape == (1, 24)
    with pytest.raises(DataError, match="expected a tokenizer"):
        clip.text(["a photo"])


def test_weights_in_torchs_form_are_data_alone(clip_dir: Path, tmp_path: Path) -> None:
    """ViT-B/16 comes as ``pytorch_model.bin``."""
    (tmp_path / "config.json").write_text((clip_dir / "config.json").read_text())
    clip = CLIP(clip_dir)
    torch.save(clip.network.state_dict(), tmp_path / "pytorch_model.bin")
    np.testing.assert_array_equal(CLIP(tmp_path)(pictures()), clip(pictures()))
    _Harm.target = str(tmp_path / "harm")
    torch.save(clip.network.state_dict() | {"logit_scale": _Harm()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match="expected a CLIPModel, cannot load it"):
        CLIP(tmp_path)
    assert not (tmp_path / "harm").exists()


# CLAP


def test_embeddings_and_map(clap: CLAP) -> None:
    pieces = [noise(48_000, seed, 0.5 / (seed + 1)) for seed in range(3)]
    rows = clap(pieces)
    assert rows.shape == (3, clap.width) == (3, 20)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(rows, clap(np.stack(pieces)))
    np.testing.assert_allclose(rows[1:2], clap(pieces[1:2]), atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 0.01
    fields = clap.map(pieces[0])
    assert fields.shape == (64, 64)  # 2 frequencies x 32 places, and this model's width
    assert clap([]).shape == (0, 20)


def test_the_map_is_the_last_feature_map_frequency_outer(clap: CLAP) -> None:
    sound = noise(SAMPLES, 5)
    picture = torch.from_numpy(mel_picture(fill(sound), clap.fusion))[None, None].repeat(
        1, 4 if clap.fusion else 1, 1, 1
    )
    with torch.inference_mode():
        out = clap.network.audio_model(input_features=picture, is_longer=torch.zeros(1, 1, dtype=torch.bool))
        pooled = clap.network.audio_projection(out.pooler_output).numpy()[0]
    last = out.last_hidden_state.numpy()[0]  # (width, 2, 32)
    assert last.shape == (64, 2, 32)
    found = clap.map(sound)
    for row, (frequency, place) in {0: (0, 0), 31: (0, 31), 32: (1, 0), 63: (1, 31)}.items():
        np.testing.assert_array_equal(found[row], last[:, frequency, place])
    np.testing.assert_allclose(clap([sound])[0], pooled / np.linalg.norm(pooled), atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), out.pooler_output[0].numpy(), atol=1e-4)


def test_texts(clap: CLAP) -> None:
    prompts = ["This is a sound of dog", "This is a sound of violin and much more"]
    found = clap.text(prompts)
    assert found.shape == (2, 20)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(clap.text(prompts[:1])[0], found[0], atol=1e-6)  # padding changes nothing
    assert clap.scale == pytest.approx(1 / 0.07, rel=1e-4)
    assert clap.text(["a sound of " * 60]).shape == (1, 20)


@pytest.mark.parametrize(("fusion", "truncation"), [(True, "fusion"), (False, "rand_trunc")])
def test_the_mel_picture_is_that_of_transformers_own_extractor(fusion: bool, truncation: str) -> None:
    extractor = transformers.ClapFeatureExtractor(frequency_min=50, frequency_max=14_000)
    piece = fill(noise(100_000))[:100_000]  # in 16 bits already
    theirs = extractor(piece, truncation=truncation, sampling_rate=48_000, return_tensors="np")["input_features"][0]
    ours = mel_picture(fill(piece), fusion)
    assert ours.shape == (1001, 64)
    assert len(theirs) == (4 if fusion else 1)
    for one in theirs:
        np.testing.assert_allclose(ours, one, atol=2e-2)  # dB
        assert np.abs(ours - one).mean() < 1e-3
    assert np.abs(mel_picture(fill(piece), not fusion) - theirs[0]).mean() > 1  # the other filters are others


def test_transformers_extractor_marks_a_piece_as_longer_and_ours_none(
    clap: CLAP, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trap: where no piece is longer than 10 s theirs draws one at random, and its features change."""
    extractor = transformers.ClapFeatureExtractor(frequency_min=50)
    assert extractor([noise(9_000)], sampling_rate=48_000)["is_longer"] == [[True]]
    seen = []
    forward = clap.network.audio_model.forward

    def watch(input_features: torch.Tensor, is_longer: torch.Tensor, **more: object) -> object:
        seen.append(is_longer)
        return forward(input_features=input_features, is_longer=is_longer, **more)

    monkeypatch.setattr(clap.network.audio_model, "forward", watch)
    clap([noise(9_000), noise(10_000)])
    clap.map(noise(SAMPLES))
    assert [tuple(one.shape) for one in seen] == [(2, 1), (1, 1)]
    assert not any(one.any() for one in seen)


def test_pieces_are_cut_to_16_bits_and_repeated() -> None:
    piece = np.float32([0.5, -0.5, 2.0, -2.0, 1.6 / 32767, -1.6 / 32767, 0])
    filled = fill(piece)
    assert filled.shape == (SAMPLES,)
    whole = SAMPLES // 7 * 7
    plain = [math.trunc(max(-1, min(1, float(value))) * 32767) / 32767 for value in piece]
    np.testing.assert_allclose(filled[:whole].reshape(-1, 7), np.tile(np.float32(plain), (SAMPLES // 7, 1)), atol=1e-9)
    np.testing.assert_array_equal(filled[whole:], np.zeros(SAMPLES - whole))
    ten = fill(noise(48_000))
    np.testing.assert_array_equal(ten[:48_000], ten[-48_000:])
    long = noise(SAMPLES // 2 + 1)
    np.testing.assert_array_equal(fill(long)[len(long) :], np.zeros(SAMPLES - len(long)))
    for wrong in (np.zeros(0), np.zeros(SAMPLES + 1)):
        with pytest.raises(DataError, match="expected 1 to 480,000 samples of sound at 48,000 Hz, found"):
            fill(wrong)


def test_silence_is_the_floor() -> None:
    assert (mel_picture(np.zeros(SAMPLES, np.float32), True) == -100).all()


def test_stretching_takes_the_nearest() -> None:
    np.testing.assert_array_equal(stretch(np.arange(5), 9), [0, 0, 1, 2, 2, 2, 3, 4, 4])  # halves to even
    np.testing.assert_array_equal(stretch(np.arange(100), 4), [0, 33, 66, 99])
    assert len(stretch(noise(481_000))) == SAMPLES
    with pytest.raises(DataError, match="expected samples of sound, found none"):
        stretch(np.zeros(0))


# laion_clap's checkpoints


@pytest.fixture(scope="module")
def laion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, torch.Tensor], object]]:
    """Return a checkpoint of the true size as laion_clap writes it, its weights, and the model they were taken from."""
    config = transformers.ClapConfig(
        audio_config={"enable_fusion": True, "fusion_type": "aff_2d"},
        text_config={"num_hidden_layers": 1, "vocab_size": 50},
    )
    torch.manual_seed(0)
    model = transformers.ClapModel(config).eval()
    state = {}
    for name, value in model.state_dict().items():
        if (".key." not in name and ".value." not in name) or name.startswith("text"):
            state[f"module.{_laions(name)}"] = value.clone()
    for name in [name for name in state if ".attn.query." in name]:
        source = name.removeprefix("module.audio_branch.").replace(".attn.query.", ".attention.self.{}.")
        thirds = [
            model.state_dict()[f"audio_model.audio_encoder.{source.format(part)}"] for part in ("query", "key", "value")
        ]
        state[name.replace("query", "qkv")] = torch.cat(thirds)
        del state[name]
    state["module.audio_branch.logmel_extractor.melW"] = torch.zeros(3)
    state["module.text_branch.embeddings.position_ids"] = torch.arange(5)
    state["module.audio_transform.sequential.0.weight"] = torch.zeros(3)
    path = tmp_path_factory.mktemp("laion") / "630k.pt"
    content = {"epoch": 7, "best": np.float64(0.5), "state_dict": state, "optimizer": {"lr": np.float32(1)}}
    torch.save(content, path, pickle_protocol=4)
    yield path, state, model
    path.unlink()


def _laions(name: str) -> str:
    """Return the name in laion_clap of a weight of transformers'."""
    for theirs, ours in (
        ("audio_model.audio_encoder.", "audio_branch."),
        ("text_model.", "text_branch."),
        ("_projection.linear1.", "_projection.0."),
        ("_projection.linear2.", "_projection.2."),
    ):
        name = name.replace(theirs, ours)
    if name.startswith("audio_branch."):
        for theirs, ours in (
            (".batch_norm.", ".bn0."),
            (".layernorm_before.", ".norm1."),
            (".layernorm_after.", ".norm2."),
            (".intermediate.dense.", ".mlp.fc1."),
            (".attention.output.dense.", ".attn.proj."),
            (".output.dense.", ".mlp.fc2."),
            (".attention.self.", ".attn."),
        ):
            name = name.replace(theirs, ours)
    return name


def test_laions_names() -> None:
    for laions, theirs in (
        ("audio_branch.bn0.running_mean", "audio_model.audio_encoder.batch_norm.running_mean"),
        (
            "audio_branch.layers.2.blocks.5.attn.qkv.weight",
            "audio_model.audio_encoder.layers.2.blocks.5.attention.self.qkv.weight",
        ),
        ("audio_branch.layers.0.downsample.norm.bias", "audio_model.audio_encoder.layers.0.downsample.norm.bias"),
        ("audio_branch.patch_embed.norm.weight", "audio_model.audio_encoder.patch_embed.norm.weight"),
        (
            "text_branch.encoder.layer.3.attention.self.query.bias",
            "text_model.encoder.layer.3.attention.self.query.bias",
        ),
        ("audio_projection.2.weight", "audio_projection.linear2.weight"),
        ("logit_scale_a", "logit_scale_a"),
        ("audio_branch.tscam_conv.weight", None),
        ("audio_branch.spectrogram_extractor.stft.conv_real.weight", None),
        ("audio_branch.layers.0.blocks.1.attn_mask", None),
        ("text_transform.sequential.0.weight", None),
    ):
        assert transformers_name(laions) == theirs


@pytest.mark.slow
def test_a_checkpoint_of_laions_becomes_the_model(
    laion: tuple[Path, dict[str, torch.Tensor], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, state, model = laion
    read = read_laion(path)
    assert set(read) == {name for name in state if transformers_name(name.removeprefix("module.")) is not None}
    assert all(torch.equal(read[name], state[name]) for name in read)
    loaded = load_laion(path)
    theirs = model.state_dict()  # type: ignore[attr-defined]
    assert loaded.config.audio_config.enable_fusion
    assert all(torch.equal(value, theirs[name]) for name, value in loaded.state_dict().items())
    clap = CLAP(path)
    assert clap([noise(48_000)]).shape == (1, 512)
    assert clap.map(noise(SAMPLES)).shape == (64, 768)
    monkeypatch.setenv("LEAP_AVVP_CACHE", str(path.parent))
    with pytest.raises(DataError, match="weights clap_htsat_fused"):
        clap.text(["a sound"])


def test_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    _Harm.target = str(tmp_path / "harm")
    good = torch.zeros(3)
    path = tmp_path / "harm.pt"
    torch.save({"state_dict": {"logit_scale_a": good}, "optimizer": _Harm()}, path)
    assert torch.equal(read_laion(path)["logit_scale_a"], good)
    torch.save({"state_dict": {"logit_scale_a": _Harm()}}, path)
    with pytest.raises(DataError, match="expected a checkpoint of laion_clap, cannot read it"):
        read_laion(path)
    assert not (tmp_path / "harm").exists()


def test_damaged_checkpoints(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pt"
    torch.save({"state_dict": {"logit_scale_a": torch.zeros(3), "logit_scale_t": torch.ones(2, 2).T}}, whole)
    assert read_laion(whole)["logit_scale_t"].tolist() == [[1, 1], [1, 1]]
    cut = tmp_path / "cut.pt"
    for kept in (0, 10, whole.stat().st_size // 2, whole.stat().st_size - 30):
        cut.write_bytes(whole.read_bytes()[:kept])
        with pytest.raises(DataError, match=r"cut\.pt: expected a checkpoint of laion_clap, cannot read it"):
            read_laion(cut)
    with pytest.raises(DataError, match=r"gone\.pt: expected a checkpoint of laion_clap"):
        read_laion(tmp_path / "gone.pt")
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(DataError, match=r"packed, which torch\.save never does"):
        read_laion(packed)
    more = tmp_path / "more.pt"
    with zipfile.ZipFile(more, "w") as target:
        target.writestr("x/data.pkl", pickle.dumps({"state_dict": {"logit_scale_a": 1.0}}))
    with pytest.raises(DataError, match="cannot read it"):
        read_laion(more)
    torch.save({"logit_scale_a": torch.zeros(1)}, more)
    with pytest.raises(DataError, match="expected a CLAP of HTSAT-tiny and RoBERTa"):
        CLAP(more)
