"""Tiny models with random weights of transformers' real classes, with real tokenizers of a few words, in a folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

WORDS = ("a", "photo", "of", "dog", "cat", "this", "is", "sound", "violin", "car")


def _letters() -> list[str]:
    """Return the 256 signs by which byte-level tokenizers write bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    more = [256 + place for place in range(256 - len(plain))]
    return [chr(code) for code in (*plain, *more)]


def _merged(words: tuple[str, ...], end: str, begin: str) -> tuple[list[str], list[str]]:
    """Return merges that join each word from its letters, and the pieces they make."""
    merges, pieces = [], []
    for word in words:
        letters = [*word[:-1], word[-1] + end] if end else [begin, *word]
        joined = letters[0]
        for letter in letters[1:]:
            merges.append(f"{joined} {letter}")
            joined += letter
            pieces.append(joined)
    return list(dict.fromkeys(merges)), list(dict.fromkeys(pieces))


def clip_folder(folder: Path, seed: int = 0) -> Path:
    """Write a CLIPModel of width 24 for pictures of 32 x 32, and its tokenizer; return the folder."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    letters = _letters()
    merges, pieces = _merged(WORDS, "</w>", "")
    tokens = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters), *pieces])
    vocabulary = {token: place for place, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[tuple(merge.split()) for merge in merges])
    tokenizer.save_pretrained(folder)
    size = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config=size
        | {
            "vocab_size": len(vocabulary),
            "bos_token_id": vocabulary["<|startoftext|>"],
            "eos_token_id": vocabulary["<|endoftext|>"],
            "pad_token_id": vocabulary["<|endoftext|>"],
        },
        vision_config=size | {"image_size": 32, "patch_size": 8},
        projection_dim=24,
    )
    torch.manual_seed(seed)
    return _saved(CLIPModel(config), folder)


def clap_folder(folder: Path, fusion: bool, seed: int = 0) -> Path:
    """Write a ClapModel of width 20, its map (64, 64), and its tokenizer; return the folder."""
    from transformers import ClapConfig, ClapModel, RobertaTokenizer

    letters = _letters()
    merges, pieces = _merged(WORDS, "", "Ġ")
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *dict.fromkeys([*letters, *pieces]), "<mask>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[tuple(merge.split()) for merge in merges])
    tokenizer.save_pretrained(folder)
    config = ClapConfig(
        audio_config={
            "patch_embeds_hidden_size": 8,
            "hidden_size": 64,
            "depths": [1, 1, 2, 1],
            "num_attention_heads": [1, 2, 2, 4],
            "enable_fusion": fusion,
            "fusion_type": "aff_2d" if fusion else None,
            "projection_dim": 20,
        },
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 90,
            "projection_dim": 20,
        },
        projection_dim=20,
    )
    torch.manual_seed(seed)
    model = ClapModel(config)
    with torch.no_grad():  # the first weights are so small that all sounds are alike
        for weight in model.audio_model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return _saved(model, folder)


def _saved(model: object, folder: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)  # type: ignore[attr-defined]
    return folder
