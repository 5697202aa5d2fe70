"""Decoded pictures on disk, so that a folder of any size needs no memory."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray

from dross.errors import InputError

__all__ = ["Spool"]


class Spool:
    """A file without a name that pixels are appended to; it goes with the last memory map of it.

    Parameters
    ----------
    folder : Path or None
        Where the file is; None takes the system's folder for such files.

    Examples
    --------
    >>> with Spool(None) as spool:
    ...     spool.append(np.zeros((1, 2, 2), np.uint8))
    ...     spool.append(np.ones((1, 2, 2), np.uint8))
    ...     pictures = spool.rows((1, 2, 2))
    >>> pictures.shape, pictures[1].max().item()
    ((2, 1, 2, 2), 1)
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._file = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Append one picture.

        Raises
        ------
        InputError
            The disk is full, or there is another reason why it cannot be kept.
        """
        try:
            self._file.write(pixels.tobytes())
            self._file.flush()
        except OSError as error:
            raise self._trouble(error) from None

    def rows(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the pictures as a memory map ``(n, *shape)``."""
        if not self._file.tell():  # nothing to map
            return np.zeros((0, *shape), np.uint8)
        return np.memmap(self._file, np.uint8, "r").reshape(-1, *shape)

    def _open(self) -> IO[bytes]:
        try:
            return tempfile.TemporaryFile(dir=self._folder, prefix="dross-pictures-")
        except OSError as error:
            raise self._trouble(error) from None

    def _trouble(self, error: OSError) -> InputError:
        return InputError(f"the decoded pictures cannot be kept in {self._folder}: {error.strerror}.")
