"""An image as a pretrained net wants it: resized, cropped, normalised as preprocessor_config.json says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dross.errors import InputError
from dross.sources.resizing import fit_inside

__all__ = ["ImagePreparation"]

# What transformers does for kinds of processors: where a single number is the shorter side and no square, and
# what else is done to it.
_BY_SHORTER_SIDE = frozenset(
    {"CLIP", "ChineseCLIP", "ConvNext", "Bit", "Levit", "PoolFormer", "MobileNetV1", "MobileNetV2", "Siglip"}
)
_CONVNEXT_UNCROPPED = 384
_CROPPED = 224 / 256


@dataclass(frozen=True)
class ImagePreparation:
    """Resizes, crops and normalises one image.

    Parameters
    ----------
    shortest : int or None
        The shorter side after resizing, aspect kept.
    exact : (height, width) or None
        The size after resizing, aspect not kept.
    crop : (height, width) or None
        Cut from the middle; what lies outside the image is black.
    factor : float
        What bytes are multiplied with.
    mean, deviation : tuple of three floats
    resample : int
        Pillow's number of the interpolation.

    Examples
    --------
    >>> config = {"size": {"shortest_edge": 8}, "crop_size": {"height": 6, "width": 6},
    ...           "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    >>> prepare = ImagePreparation.from_config(config)
    >>> prepare(Image.new("RGB", (32, 16), (255, 0, 0)))[:, 0, 0].tolist()
    [1.0, 0.0, 0.0]
    """

    shortest: int | None
    exact: tuple[int, int] | None
    crop: tuple[int, int] | None
    factor: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    resample: int = int(Image.Resampling.BILINEAR)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Read a preprocessor_config.json.

        Raises
        ------
        InputError
            It says nothing of the size.
        """
        shortest, exact, cut = _sizes(config)
        if cut is None and exact is None:
            raise InputError("The encoder's preprocessor_config.json does not say how large images must be.")
        normalised = config.get("do_normalize", True)
        return cls(
            shortest,
            exact,
            cut,
            float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else 1.0,
            tuple(config.get("image_mean") or (0.5,) * 3) if normalised else (0.0,) * 3,
            tuple(config.get("image_std") or (0.5,) * 3) if normalised else (1.0,) * 3,
            int(Image.Resampling.BILINEAR if config.get("resample") is None else config["resample"]),
        )

    def __call__(self, image: Image.Image) -> NDArray[np.float32]:
        """Return an RGB image as ``(3, h, w)``."""
        width, height = self.resized(image.size)
        if (width, height) != image.size:
            image = image.resize((width, height), Image.Resampling(self.resample))
        if self.crop is not None:
            top, left = (height - self.crop[0]) // 2, (width - self.crop[1]) // 2
            image = image.crop((left, top, left + self.crop[1], top + self.crop[0]))
        pixels = np.asarray(image, np.float32) * np.float32(self.factor)
        pixels -= np.array(self.mean, np.float32)
        pixels /= np.array(self.deviation, np.float32)
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return width and height after resizing."""
        if self.exact is not None:
            return self.exact[1], self.exact[0]
        if self.shortest is None:
            return size
        short, long = min(size), max(size)
        far = int(self.shortest * long / short)
        return (self.shortest, far) if size[0] <= size[1] else (far, self.shortest)

    def back(
        self, heat: NDArray[np.float32], size: tuple[int, int], square: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return a map ``(h, w)`` of what the net saw as one of the image letterboxed into ``square``.

        ``size`` is the width and height of the image itself, ``square`` the height and width of the result.
        """
        width, height = self.resized(size)
        whole = np.zeros((height, width), np.float32)
        top, left = max(0, (height - heat.shape[0]) // 2), max(0, (width - heat.shape[1]) // 2)
        seen = heat[-min(0, (height - heat.shape[0]) // 2) :, -min(0, (width - heat.shape[1]) // 2) :]
        part = whole[top : top + seen.shape[0], left : left + seen.shape[1]]
        part[:] = seen[: part.shape[0], : part.shape[1]]
        inner = fit_inside(size, square[0]) if square[0] == square[1] else square[::-1]
        small = np.asarray(Image.fromarray(whole).resize(inner, Image.Resampling.BILINEAR))
        result = np.zeros(square, np.float32)
        y, x = (square[0] - inner[1]) // 2, (square[1] - inner[0]) // 2
        result[y : y + inner[1], x : x + inner[0]] = small
        return result


def _sizes(config: Mapping[str, Any]) -> tuple[int | None, tuple[int, int] | None, tuple[int, int] | None]:
    """Return `shortest`, `exact` and `crop`."""
    kind = _kind(config)
    shortest, exact = None, None
    if config.get("do_resize", True):
        shortest, exact = _size(config.get("size"), is_square=kind not in _BY_SHORTER_SIDE)
    cut = None
    if config.get("do_center_crop", "crop_size" in config):
        shorter, cut = _size(config.get("crop_size"), is_square=True)
        cut = cut or ((shorter, shorter) if shorter else None)
    share = config.get("crop_pct")
    if kind == "ConvNext" and shortest is not None:
        if shortest >= _CONVNEXT_UNCROPPED:
            return None, (shortest, shortest), cut
        return int(shortest / (share or _CROPPED)), None, (shortest, shortest)
    if kind == "PoolFormer" and share:
        if exact is not None and exact[0] != exact[1]:
            return None, (int(exact[0] / share), int(exact[1] / share)), cut
        side = exact[0] if exact is not None else shortest
        return int(side / share) if side else None, None, cut
    if kind == "Levit" and shortest is not None:
        return int(shortest / _CROPPED), None, cut
    return shortest, exact, cut


def _kind(config: Mapping[str, Any]) -> str:
    """Return the processor's name without what all are named by, such as "CLIP" for "CLIPImageProcessorFast".

    Without a name, a share to crop tells ConvNext.
    """
    name = str(config.get("image_processor_type") or config.get("feature_extractor_type") or "")
    if not name:
        return "ConvNext" if "crop_pct" in config else ""
    return re.sub("(ImageProcessor|FeatureExtractor).*", "", name)


def _size(value: Any, *, is_square: bool) -> tuple[int | None, tuple[int, int] | None]:
    """Return the shortest edge, and height and width: at most one of them.

    ``is_square`` says what a single number is.
    """
    if isinstance(value, int):
        return (None, (value, value)) if is_square else (value, None)
    if isinstance(value, Mapping):
        if "shortest_edge" in value:
            return int(value["shortest_edge"]), None
        if "height" in value and "width" in value:
            return None, (int(value["height"]), int(value["width"]))
    return None, None
