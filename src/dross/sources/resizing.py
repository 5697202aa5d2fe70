"""Images of any size as squares of one size, their aspect kept.

The rest of a square is filled with the median of the image's own border, so that bars round an image do not
stand out more than the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["ResizedRows", "fit_inside", "letterbox"]


def letterbox(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Fit an RGB image into a square, its aspect kept; return ``(3, size, size)``.

    The rest is filled with the median colour of the image's border.

    Examples
    --------
    >>> row = letterbox(Image.new("RGB", (30, 10), (255, 0, 0)), 6)
    >>> row.shape, row[:, 0, 0].tolist()
    ((3, 6, 6), [255, 0, 0])
    """
    width, height = fit_inside(image.size, size)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=3.0))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    square = np.empty((size, size, 3), np.uint8)
    square[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = pixels
    return np.ascontiguousarray(square.transpose(2, 0, 1))


def fit_inside(shape: tuple[int, int], size: int) -> tuple[int, int]:
    """Return the sides that an image has once the longer of them is ``size``; none is below 1."""
    longest = max(shape)
    return max(1, round(shape[0] * size / longest)), max(1, round(shape[1] * size / longest))


class ResizedRows:
    """Rows ``(n, c, h, w)`` that are letterboxed into squares batch by batch, as float32.

    Values that are not finite stay out of the interpolation; where there are no others, NaN is left.
    """

    def __init__(self, rows: NDArray[Any], size: int) -> None:
        self._rows = rows
        height, width = rows.shape[2:]
        self._width, self._height = fit_inside((width, height), size)
        self._down, self._across = _interpolation(height, self._height), _interpolation(width, self._width)
        self.shape = (len(rows), rows.shape[1], size, size)
        self.dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any, /) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            x = np.asarray(self._rows[indices], np.float32)
            finite = np.isfinite(x)
            if finite.all():
                return self._pad(self._resize(x))
            weight = self._resize(finite.astype(np.float32))
            return self._pad(self._resize(np.where(finite, x, 0)) / np.where(weight > 0, weight, np.nan))

    def _resize(self, x: Any) -> Any:
        return self._down @ x @ self._across.T

    def _pad(self, x: NDArray[Any]) -> NDArray[np.float32]:
        border = np.concatenate([x[..., 0, :], x[..., -1, :], x[..., 0], x[..., -1]], axis=-1)
        squares = np.empty((len(x), *self.shape[1:]), np.float32)
        squares[:] = np.median(border, axis=-1)[..., None, None]
        top, left = (self.shape[2] - self._height) // 2, (self.shape[3] - self._width) // 2
        squares[..., top : top + self._height, left : left + self._width] = x
        return squares


def _interpolation(old: int, new: int) -> NDArray[np.float32]:
    """Return the matrix ``(new, old)`` by which Pillow resizes a line."""
    identity = Image.fromarray(np.eye(old, dtype=np.float32))
    return np.asarray(identity.resize((old, new), Image.Resampling.BILINEAR))
