"""Images and heat maps as small data URIs, all heat maps on one scale."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["HeatScale", "as_pillow", "colour_bar", "overlay", "thumbnail"]

# Large enough to recognise a photograph, small enough for 100 pairs in a page of 5 MB.
_MAX_SIDE = 128
# Up to so many pixels PNG is both exact and small; beyond it JPEG takes a third of the room.
_MAX_PNG_PIXELS = 1_600
_JPEG_QUALITY = 80
# Six steps of matplotlib's "inferno" (CC0) without its dark end, which would not show on a dark image:
# lightness grows evenly, also in print and for the colour-blind.
_HEAT = np.array(
    [(133, 33, 107), (181, 50, 90), (220, 80, 57), (245, 125, 21), (250, 193, 39), (252, 255, 164)],
    dtype=np.float64,
)


@dataclass(frozen=True)
class HeatScale:
    """One scale for every heat map of the page: from ``low`` (nothing is drawn) to ``high``."""

    low: float
    high: float

    @classmethod
    def of(cls, heatmaps: list[NDArray[np.float32]]) -> HeatScale | None:
        """Return the scale from zero to the largest value of all heat maps, None where none is positive."""
        largest = max((float(np.nan_to_num(heat).max()) for heat in heatmaps if heat.size), default=0.0)
        return cls(0.0, largest) if largest > 0.0 else None

    def strength(self, heat: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how strong each value is, from 0 to 1; what lies below ``low`` is 0."""
        values = np.nan_to_num(heat.astype(np.float64), posinf=self.high, neginf=self.low)
        return np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)


def thumbnail(image: NDArray[np.uint8]) -> str:
    """Return ``(c, h, w)`` uint8 as a data URI, at most 128 pixels a side."""
    return _data_uri(_small(as_pillow(image)))


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32], scale: HeatScale) -> str:
    """Return the image in grey under its heat map ``(h, w)`` as a data URI."""
    grey = _small(as_pillow(image).convert("L"))
    strength = Image.fromarray(scale.strength(heat).astype(np.float32))
    strength = strength.resize(grey.size, Image.Resampling.BILINEAR)
    return _data_uri(_blend(np.asarray(grey, np.float64), np.asarray(strength, np.float64)))


def colour_bar() -> str:
    """Return the scale itself over middle grey, 128 by 1 pixels, low to high, as a data URI."""
    return _data_uri(_blend(np.full((1, 128), 128.0), np.linspace(0.0, 1.0, 128)[None, :]))


def _blend(grey: NDArray[np.float64], strength: NDArray[np.float64]) -> Image.Image:
    steps = np.linspace(0.0, 1.0, len(_HEAT))
    colour = np.stack([np.interp(strength, steps, channel) for channel in _HEAT.T], axis=-1)
    # The image is dimmed so that heat stands out on white and on black; the root lets weak heat show.
    dimmed = 30.0 + 0.5 * grey[..., None]
    opacity = np.sqrt(strength)[..., None]
    mixed = (1.0 - opacity) * dimmed + opacity * colour
    return Image.fromarray(mixed.round().astype(np.uint8))


def as_pillow(image: NDArray[np.uint8]) -> Image.Image:
    """Return ``(c, h, w)`` uint8 as a picture: colours for three or four channels, else grey."""
    if len(image) in (3, 4):
        return Image.fromarray(np.ascontiguousarray(np.moveaxis(image[:3], 0, -1)))
    # Any other number of channels has no colours of its own: show their mean.
    return Image.fromarray(image.mean(axis=0).round().astype(np.uint8))


def _small(picture: Image.Image) -> Image.Image:
    picture.thumbnail((_MAX_SIDE, _MAX_SIDE))
    return picture


def _data_uri(picture: Image.Image) -> str:
    small = picture.width * picture.height <= _MAX_PNG_PIXELS
    buffer = io.BytesIO()
    if small:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    kind = "png" if small else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
