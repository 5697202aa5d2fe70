"""Images that are decoded when they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dross.bench.datasets.base import Indices
from dross.errors import InputError
from dross.sources.decoding import FORMATS

__all__ = ["ImageSlices", "Images", "open_rgb", "squash"]


def open_rgb(content: bytes, name: str, least: int | None = None) -> Image.Image:
    """Decode one image as RGB.

    Parameters
    ----------
    content : bytes
        The file.
    name : str
        For the message.
    least : int, optional
        Pixels that a side is needed with: a larger JPEG is then decoded at a smaller scale, which is many
        times as fast.

    Raises
    ------
    InputError
        If it cannot be decoded.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if least:
                image.draft(None, (least, least))
            return image.convert("RGB")
    except Exception as error:  # each of Pillow's decoders raises its own for damaged bytes
        reason = str(error) if content else "it has zero bytes"
        raise InputError(
            f"{name} cannot be decoded as an image ({reason}); mend or remove it, and try again."
        ) from error


def squash(
    image: Image.Image, size: int, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.uint8]:
    """Resize an image, or a box (left, top, right, bottom) of it, to a square; return ``(3, size, size)``.

    The whole of it stays in, its aspect does not, as in RSRAE's Caltech-101. Bilinear and smoothed over as
    many pixels as fall into one.

    Examples
    --------
    >>> squash(Image.new("RGB", (30, 10), (255, 0, 0)), 4)[:, 0, 0].tolist()
    [255, 0, 0]
    """
    square = image.resize((size, size), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


@dataclass(frozen=True)
class Images:
    """Encoded images as squares of RGB.

    Parameters
    ----------
    contents : sequence of bytes
        The files, in memory or read when asked for.
    size : int
        Side of the squares; see `squash`.
    where : Path
        The file or folder that they are in, for messages.
    names : sequence of str, optional
        Their names in it.
    """

    contents: Sequence[bytes]
    size: int
    where: Path
    names: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.contents)

    def take(self, indices: Indices) -> NDArray[np.uint8]:
        """Decode some images; return ``(m, 3, size, size)``."""
        rows = np.empty((len(indices), 3, self.size, self.size), np.uint8)
        for row, i in zip(rows, indices, strict=True):
            name = f"{self.where}/{self.names[i]}" if self.names else f"image {i} of {self.where}"
            # two pixels for each one of the square, so that the smaller scale does not show
            row[:] = squash(open_rgb(self.contents[i], name, least=2 * self.size), self.size)
        return rows


class ImageSlices(Sequence[bytes]):
    """Files that lie one behind the other in an array of bytes, file i from offset i to offset i + 1.

    Raises
    ------
    InputError
        If an offset is not within the bytes.
    """

    def __init__(self, joined: NDArray[np.uint8], offsets: NDArray[Any], path: Path) -> None:
        if len(offsets) == 0 or offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] > len(joined):
            raise InputError(f"{path} is damaged: its offsets do not fit its {len(joined)} bytes of images.")
        self._joined, self._offsets = joined, offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        return self._joined[self._offsets[index] : self._offsets[index + 1]].tobytes()
