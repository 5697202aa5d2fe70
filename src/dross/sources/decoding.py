"""One image file as one square of bytes.

Transparent places become white, as on a page. What 16 bits hold is divided by 257; 32-bit integers beyond 16
bits and floats have no common range and are stretched between the image's own smallest and largest value.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from dross.sources.archives import IMAGE_FORMATS
from dross.sources.resizing import fit_inside, letterbox

__all__ = ["FORMATS", "Picture", "content_digest", "decode", "largest_side", "open_rgb"]

FORMATS = tuple(sorted(set(IMAGE_FORMATS.values())))
# Loaded here, since Pillow would otherwise load them on first use, in several threads at once.
_PLUGINS = (TiffImagePlugin, WebPImagePlugin)
_OF_PILLOW = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


@dataclass(frozen=True)
class Picture:
    """One decoded file."""

    row: NDArray[np.uint8]
    size: tuple[int, int]
    format: str
    several_frames: bool
    stretched: bool
    digest: bytes


def largest_side(content: bytes) -> int:
    """Return the larger of width and height, from the header; 0 if there is none."""
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            return max(image.size)
    except Exception:  # whatever it is, `decode` says it
        return 0


def decode(content: bytes, size: int) -> Picture | str:
    """Decode one file into a square; return the reason instead if that is impossible.

    JPEGs are decoded at the smallest scale that still has two pixels for each one of the square.
    """
    if not content:
        return "zero bytes"
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            original = image.size
            several_frames = bool(getattr(image, "is_animated", False))
            width, height = fit_inside(original, size)
            image.draft(None, (2 * width, 2 * height))
            ImageOps.exif_transpose(image, in_place=True)
            stretched = image.mode == "F" or (image.mode == "I" and not _is_16_bit(np.asarray(image)))
            row = letterbox(_as_rgb(image), size)
            form = "JPEG" if image.format == "MPO" else image.format or ""
    except UnidentifiedImageError:
        return "not an image, or its header is damaged"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"more than {Image.MAX_IMAGE_PIXELS:,} pixels"
    except Exception as error:  # each of Pillow's decoders raises its own for damaged bytes
        return str(error) or type(error).__name__
    return Picture(row, original, form, several_frames, stretched, content_digest(content))


def content_digest(content: bytes) -> bytes:
    """Return 16 bytes that tell the content of one file from any other."""
    return blake2b(content, digest_size=16).digest()


@contextmanager
def _pillow_silent() -> Iterator[None]:
    """Pass over what Pillow warns of, odd metadata mostly, and over nothing else.

    `warnings.catch_warnings` swaps the filters of the whole process, which threads that decode at once would
    put back in the wrong order. One entry more or less is in nobody's way.
    """
    filters = cast("list[Any]", warnings.filters)
    filters.insert(0, _OF_PILLOW)
    try:
        yield
    finally:
        with suppress(ValueError):  # somebody has emptied the list
            filters.remove(_OF_PILLOW)


@_pillow_silent()
def open_rgb(content: bytes) -> Image.Image:
    """Decode one file that `decode` could decode, at its full size, without warnings."""
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return _as_rgb(image)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("F", "I") or image.mode.startswith("I;"):
        return Image.fromarray(_as_bytes(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _as_bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring grey values of more than 8 bits to 8."""
    if _is_16_bit(values):
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        raise ValueError("no finite value")
    low, high = finite.min(), finite.max()
    scaled = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low) - low
    return np.asarray(np.round(scaled * (255 / ((high - low) or 1.0))), np.uint8)


def _is_16_bit(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" and values.min() >= 0 and values.max() <= 65535
