"""Encoders of a few thousand random weights, saved in folders the way real ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

__all__ = ["WORDS", "make_bert", "make_clip", "make_resnet", "make_siglip_vision", "make_swin", "make_vit"]

_SIDE, _PATCH = 16, 8
_NORMALISED = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "resample": 2}
_SMALL: dict[str, Any] = {
    "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16
}  # fmt: skip
WORDS = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "the",
    "cat",
    "dog",
    "sat",
    "on",
    "mat",
    "quantum",
    "theory",
    ".",
)


def make_vit(folder: Path, seed: int = 0) -> Path:
    """Save a ViT of images of 16 pixels, resized to their exact size."""
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(**_SMALL, image_size=_SIDE, patch_size=_PATCH)
    return _save(ViTModel, config, folder, seed, {"size": {"height": _SIDE, "width": _SIDE}} | _NORMALISED)


def make_resnet(folder: Path, seed: int = 0) -> Path:
    """Save a ResNet, with the shorter side resized and the middle cropped."""
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    preparation = {"size": {"shortest_edge": 20}, "crop_size": {"height": 16, "width": 16}} | _NORMALISED
    return _save(ResNetModel, config, folder, seed, preparation)


def make_clip(folder: Path, seed: int = 0) -> Path:
    """Save a CLIP of images and texts."""
    from transformers import CLIPConfig, CLIPModel

    vision = {**_SMALL, "image_size": _SIDE, "patch_size": _PATCH}
    text = {**_SMALL, "vocab_size": 20, "max_position_embeddings": 16}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=10)
    size = {"size": {"shortest_edge": _SIDE}, "crop_size": _SIDE}
    return _save(CLIPModel, config, folder, seed, size | _NORMALISED)


def make_siglip_vision(folder: Path, seed: int = 0) -> Path:
    """Save the half of a SigLIP that sees: tokens of patches, and no class token."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    config = SiglipVisionConfig(**_SMALL, image_size=_SIDE, patch_size=_PATCH)
    size = {"size": {"height": _SIDE, "width": _SIDE}}
    return _save(SiglipVisionModel, config, folder, seed, size | _NORMALISED)


def make_swin(folder: Path, seed: int = 0) -> Path:
    """Save a Swin, which merges its patches."""
    from transformers import SwinConfig, SwinModel

    config = SwinConfig(
        image_size=_SIDE, patch_size=2, embed_dim=4, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    size = {"size": {"height": _SIDE, "width": _SIDE}}
    return _save(SwinModel, config, folder, seed, size | _NORMALISED)


def make_bert(folder: Path, seed: int = 0) -> Path:
    """Save a BERT of a dozen words, with its tokenizer."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    config = BertConfig(**_SMALL, vocab_size=len(WORDS), max_position_embeddings=24)
    _save(BertModel, config, folder, seed)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=24).save_pretrained(folder)
    return folder


def _save(cls: Any, config: Any, folder: Path, seed: int, preparation: dict[str, Any] | None = None) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = cls(config).eval()
    net.save_pretrained(folder)
    if preparation is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(preparation), encoding="utf-8")
    return folder
