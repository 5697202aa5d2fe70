"""Pretrained nets behind one face: batches of images or of texts to vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from dross.errors import InputError
from dross.features.encoder_files import EncoderFiles, need
from dross.features.image_preparation import ImagePreparation
from dross.features.sentence_modules import check_modules
from dross.sources.streams import in_brief
from dross.tensors import has_bf16, resolve_device

__all__ = ["ImageEncoder", "TextEncoder"]

_MOST_TOKENS = 512
_TOKENIZERS = ("tokenizer", "vocab", "merges", "spiece", "sentencepiece")
"""How the names of files begin that make tokens of a text."""

_NEVER_USED = r"pooler\.|num_batches_tracked|position_ids|logit_(scale|bias)|mask_token"
_VERSION = 2
"""Of how vectors are computed; with a higher one, those on disk are not taken any more."""


class _Encoder:
    """What both share: files, device, precision. The net is loaded when it is first used."""

    extra = ""
    _unused = re.compile("")
    """Weights that may be missing: what pools tokens, counts, and the other half of a net of two."""

    def __init__(self, files: EncoderFiles, *, device: str = "auto", precision: str = "auto") -> None:
        self.files = files
        self.device = resolve_device(device)
        self.is_bf16 = precision == "bf16" or (precision == "auto" and has_bf16(self.device))

    @property
    def fingerprint(self) -> str:
        """What a vector hangs on besides what is encoded."""
        return f"{self.files.fingerprint}-{'bf16' if self.is_bf16 else 'f32'}-{_VERSION}"

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device, dtype=torch.bfloat16) if self.is_bf16 else nullcontext()

    def check(self) -> None:
        """Raise an `InputError` unless transformers is installed."""
        need("transformers", self.extra)

    def _load(self, auto: str, place: str = "") -> Any:
        """Load one of transformers' classes by its name; nothing in the folder is executed."""
        need("transformers", self.extra)
        import transformers

        _be_quiet()
        folder = str(self.files.folder / place)
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        if auto == "AutoModel":
            options |= {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
        try:
            loaded = getattr(transformers, auto).from_pretrained(folder, **options)
        except Exception as error:
            raise _not_loaded(folder, error) from None
        if auto != "AutoModel":
            return loaded
        net, about = loaded
        if missing := sorted(name for name in about["missing_keys"] if not self._unused.search(name)):
            raise InputError(
                f"{folder} lacks weights of its net, {missing[0]} first; random ones would say nothing."
            )
        return net


class ImageEncoder(_Encoder):
    """A net for images: ResNet, ViT, DINO, CLIP and what else transformers loads with such outputs.

    A vector is the class token of the last layer, the mean over the patches' tokens where there is no other,
    the mean over the last map of a convolutional net, or what a net for images and texts projects images to.
    """

    extra = "vision"
    _unused = re.compile(_NEVER_USED + r"|^text_model\.|^text_projection")

    def check(self) -> None:
        """Refuse what cannot be loaded or takes no images, before any is decoded.

        Raises
        ------
        InputError
            transformers is not installed, or there is no ``preprocessor_config.json``, or it lacks the size.
        """
        super().check()
        _ = self.prepare

    @cached_property
    def prepare(self) -> ImagePreparation:
        """How an image becomes what the net takes."""
        config = self.files.read_json("preprocessor_config.json")
        if not config:
            config = self.files.read_json("processor_config.json").get("image_processor", {})
        if not config:
            raise InputError(f"{self.files.folder} is no encoder of images: no preprocessor_config.json.")
        return ImagePreparation.from_config(config)

    @cached_property
    def _net(self) -> Any:
        return self._load("AutoModel").to(self.device).eval()

    def vectors(self, x: Tensor) -> NDArray[np.float32]:
        """Encode a batch ``(b, 3, h, w)`` as ``(b, d)``.

        Raises
        ------
        InputError
            The net has neither maps nor a token for each patch.
        """
        with torch.inference_mode(), self._autocast():
            x = x.to(self.device)
            if hasattr(self._net, "get_image_features"):
                found = _projected(self._net.get_image_features(pixel_values=x))
            else:
                last = self._net(pixel_values=x).last_hidden_state
                if last.dim() == 4:
                    found = last.mean(dim=(2, 3))
                else:
                    high, wide = self._patches(x, last)
                    found = last.mean(dim=1) if last.shape[1] == high * wide else last[:, 0]
        return np.asarray(found.float().cpu().numpy())

    def maps(self, x: Tensor) -> Tensor:
        """Return the last layer's local descriptors ``(b, d, h, w)``: maps, or the tokens of patches.

        Raises
        ------
        InputError
            The net has neither.
        """
        with torch.inference_mode(), self._autocast():
            net = getattr(self._net, "vision_model", self._net)
            last: Tensor = net(pixel_values=x.to(self.device)).last_hidden_state
        if last.dim() == 3:
            high, wide = self._patches(x, last)
            tokens = last[:, last.shape[1] - high * wide :]  # before them the class token and registers
            last = tokens.transpose(1, 2).reshape(len(x), -1, high, wide)
        return last.float().cpu()

    def _patches(self, x: Tensor, last: Tensor) -> tuple[int, int]:
        """Return how many patches an image has in height and width, each with a token in ``last``."""
        config = getattr(self._net.config, "vision_config", self._net.config)
        side = getattr(config, "patch_size", None)
        height, width = x.shape[2:]
        if side is not None:
            down, across = (side, side) if isinstance(side, int) else side
            if last.shape[1] >= (height // down) * (width // across):
                return height // down, width // across
        raise InputError(
            f"{self.files.folder} gives {last.shape[1]} tokens for an image of {width} x {height} pixels; "
            "nets without a token for each patch are not taken."
        )


class TextEncoder(_Encoder):
    """A net for texts: as sentence-transformers saved it, or a plain one with the mean over its tokens."""

    extra = "text"
    _unused = re.compile(_NEVER_USED + r"|^vision_model\.|^visual_projection")

    @property
    def _has_modules(self) -> bool:
        names = ("modules.json", "config_sentence_transformers.json")
        return any((self.files.folder / name).is_file() for name in names)

    def check(self) -> None:
        """Refuse what cannot or must not be loaded, before anything is read.

        Raises
        ------
        InputError
            A package is not installed, there is no tokenizer, or see `check_modules`.
        """
        super().check()
        if not any(PurePosixPath(name).name.startswith(_TOKENIZERS) for name in self.files.checksums):
            raise InputError(f"{self.files.folder} is no encoder of texts: it has no tokenizer.")
        if self._has_modules:
            need("sentence_transformers", self.extra)
            check_modules(self.files.folder)

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        """The tokenizer and the net; None and the whole where sentence-transformers is needed."""
        if not self._has_modules:
            tokenizer = self._load("AutoTokenizer")
            if len(tokenizer) <= len(tokenizer.all_special_ids):
                raise InputError(f"{self.files.folder} is no encoder of texts: its tokenizer knows no words.")
            return tokenizer, self._load("AutoModel").to(self.device).eval()
        self.check()
        for kind, place in check_modules(self.files.folder):
            if kind.endswith("Transformer"):  # the library does not say what is missing
                self._load("AutoModel", place)
        from sentence_transformers import SentenceTransformer

        _be_quiet()
        folder = str(self.files.folder)
        try:
            net = SentenceTransformer(
                folder,
                device=self.device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            raise _not_loaded(folder, error) from None
        return None, net.eval()

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode a batch of texts as ``(b, d)``; what is longer than the net takes is cut off."""
        tokenizer, net = self._parts
        with torch.inference_mode(), self._autocast():
            if tokenizer is None:
                found = net.encode(
                    list(texts), batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False
                )
            else:
                config = getattr(net.config, "text_config", net.config)
                limit = getattr(config, "max_position_embeddings", _MOST_TOKENS)
                most = min(tokenizer.model_max_length, limit, _MOST_TOKENS)
                # SigLIP takes the last place for the text's, whatever stands there.
                padding = "max_length" if net.config.model_type.startswith("siglip") else "longest"
                tokens = tokenizer(
                    list(texts), padding=padding, truncation=True, max_length=most, return_tensors="pt"
                )
                tokens = tokens.to(self.device)
                found = self._encoded(net, tokens)
        return np.asarray(normalize(found.float(), dim=1).cpu().numpy())

    def _encoded(self, net: Any, tokens: Any) -> Tensor:
        """Return the mean over the tokens, or what a net for images and texts projects texts to."""
        try:
            if hasattr(net, "get_text_features"):
                return _projected(net.get_text_features(**tokens))
            last: Tensor = net(**tokens).last_hidden_state
        except (AttributeError, TypeError, ValueError) as error:  # of a net that wants other things
            raise InputError(f"{self.files.folder} is no encoder of texts: {in_brief(error)}.") from None
        mask = tokens["attention_mask"][..., None].to(last.dtype)
        mean: Tensor = (last * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return mean


def _projected(out: Any) -> Tensor:
    """Return what a net for images and texts projects either to, as any release of transformers gives it."""
    found: Tensor = out if isinstance(out, Tensor) else out.pooler_output
    return found


def _be_quiet() -> None:
    """Leave the terminal to dross."""
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _not_loaded(folder: str, error: Exception) -> InputError:
    """Return what to say of a damaged or foreign folder; each kind of damage has an exception of its own."""
    return InputError(f"{folder} cannot be loaded as an encoder: {in_brief(error)}.")
