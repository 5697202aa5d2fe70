"""Images as rows: files are decoded once into a cache on disk, arrays are viewed in batches.

How a file becomes a square of bytes is told in `dross.sources.decoding` and `dross.sources.resizing`.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from dross.errors import InputError
from dross.sources.archives import IMAGE_FORMATS, WalkLog, archive_format, looks_like_image, walk
from dross.sources.base import ReadOptions, RowSource, Source, Unreadable
from dross.sources.decoding import FORMATS, Picture, content_digest, decode, largest_side, open_rgb
from dross.sources.resizing import ResizedRows
from dross.sources.spool import Spool

__all__ = ["ImageSource", "ahead", "image_array", "open_images"]

_Made = TypeVar("_Made")

SMALLEST_SIZE = 16
LARGEST_SIZE = 64
_AHEAD = 64  # images: two batches of an encoder, so that decoding goes on while it computes
_BATCH = 1024
_DUPLICATES = "images are exact duplicates of another"
_NOT_FINITE = "images hold NaN or infinite values, which count as missing"


@dataclass(kw_only=True, eq=False)
class ImageSource(Source):
    """Images of one shape.

    Parameters
    ----------
    rows
        ``(n, c, h, w)``: uint8 from files (a memory map of a file that vanishes with the source), the
        array's own values from an array.
    sizes
        ``(n, 2)`` int32, width and height of each file before it was resized; None for an array.
    path
        Where the files are; None for an array.
    digests
        ``n`` digests of 16 bytes of the files' content; None for an array.
    """

    family: ClassVar[Literal["image"]] = "image"

    rows: RowSource
    sizes: NDArray[np.int32] | None = None
    path: Path | None = None
    digests: list[bytes] | None = None

    def originals(
        self, function: Callable[[Image.Image], NDArray[Any]], rows: NDArray[np.int64]
    ) -> Iterator[NDArray[Any]]:
        """Yield what a function makes of the whole files of some rows, in rising order of these.

        The files are read and decoded anew, in threads and a few ahead of who asks.

        Raises
        ------
        InputError
            The source is an array, or a file is not there any more or not what it was.
        """
        if self.path is None:
            raise InputError(f"{self.name} is an array; it has no files.")
        workers = os.cpu_count() or 1

        def make(content: bytes) -> NDArray[Any]:
            try:
                image = open_rgb(content)
            except Exception:  # each of Pillow's decoders raises its own
                raise self._has_changed() from None
            return function(image)

        with ThreadPoolExecutor(workers) as pool:
            for _, made in ahead(self._read_again(self.path, rows), make, pool, max(_AHEAD, 4 * workers)):
                yield made

    def _read_again(self, path: Path, rows: NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
        """Yield names and contents of the files of some rows; each must be what it was."""
        names, expected = set(self.ids[rows].tolist()), iter(rows.tolist())
        for name, content in walk(path, WalkLog(), lambda name, _: name in names):
            row = next(expected)
            if self.ids[row] != name or (self.digests or [])[row] != content_digest(content):
                raise self._has_changed()
            yield name, content
        if next(expected, None) is not None:
            raise self._has_changed()

    def _has_changed(self) -> InputError:
        return InputError(f"{self.name} has changed while it was read.")

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return the columns ``path, width, height`` of a few files, or ``row`` of a few array rows."""
        rows = np.asarray(rows, dtype=np.int64)
        if self.sizes is None:
            return pa.table({"row": pa.array(self.ids[rows])})
        width, height = self.sizes[rows].T
        return pa.table({"path": pa.array(self.ids[rows], pa.string()), "width": width, "height": height})


def open_images(path: Path, options: ReadOptions) -> ImageSource:
    """Read a folder, an archive, or one file of images.

    Raises
    ------
    InputError
        Nothing can be read, or the cache of decoded images cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("L", (40, 20), 200).save(Path(folder) / "grey.png")
    ...     source = open_images(Path(folder), ReadOptions())
    >>> source.ids.tolist(), source.rows.shape, source.facts["image_size"]
    (['grey.png'], (1, 1, 40, 40), 40)
    """
    _check_size(options)
    if options.channels not in (None, 1, 3):
        raise InputError(
            f"{path} holds image files, which have 1 or 3 channels; {options.channels} are needed."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        size = options.image_size or _common_size(path)
        with _Cache(size, options) as cache:
            return _read_all(path, size, cache)


def image_array(array: NDArray[Any], name: str, options: ReadOptions) -> ImageSource:
    """View an array as images; a memory map stays one.

    Parameters
    ----------
    array
        ``(n, h, w)``, ``(n, c, h, w)`` or ``(n, h, w, c)`` with 1, 3 or 4 channels, of any numeric type.
    options
        ``image_size`` resizes to a square of that side; without it, images with a side below 16 are enlarged.

    Raises
    ------
    InputError
        Another shape or type.

    Examples
    --------
    >>> image_array(np.zeros((5, 28, 28, 3)), "demo", ReadOptions()).rows.shape
    (5, 3, 28, 28)
    """
    _check_size(options)
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} holds values of type {array.dtype}; images need numbers.")
    view = _channels_first(array, name)
    duplicates, non_finite = _count_odd(view)
    n, channels, height, width = view.shape
    notes = [f"{n:,} images of {width} x {height} pixels, {_in_channels(channels)}"]
    notes += _as_notes({_DUPLICATES: duplicates, _NOT_FINITE: non_finite})
    rows: RowSource = view
    size = options.image_size
    if size is None and min(height, width) < SMALLEST_SIZE:
        size = max(height, width, SMALLEST_SIZE)
    if size is not None and (size, size) != (height, width):
        rows = ResizedRows(view, size)
        notes.append(f"the images are resized to {size} x {size} pixels")
    source = ImageSource(name, np.arange(n), "array", notes=notes, rows=rows)
    source.facts = {"format": "array", "shape": list(array.shape), "dtype": str(array.dtype)}
    source.facts |= {"duplicates": duplicates, "rows_not_finite": non_finite}
    return source


def _check_size(options: ReadOptions) -> None:
    if options.image_size is not None and options.image_size < SMALLEST_SIZE:
        raise InputError(
            f"the image size is {options.image_size}; it must be at least {SMALLEST_SIZE} pixels."
        )


def _in_channels(channels: int) -> str:
    return {1: "grey", 3: "in colour"}.get(channels, f"of {channels} channels")


def _as_notes(counts: dict[str, int]) -> list[str]:
    return [f"{count:,} {what}" for what, count in counts.items() if count]


# -- files ---------------------------------------------------------------------------------------------------


@dataclass
class _Tally:
    """What is counted while files are read."""

    ids: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    digests: list[bytes] = field(default_factory=list)
    several_frames: int = 0
    stretched: int = 0
    wrong_suffix: int = 0

    def add(self, name: str, picture: Picture) -> None:
        expected = IMAGE_FORMATS.get(PurePosixPath(name).suffix.lower())
        self.ids.append(name)
        self.sizes.append(picture.size)
        self.formats[picture.format] += 1
        self.digests.append(picture.digest)
        self.several_frames += picture.several_frames
        self.stretched += picture.stretched
        self.wrong_suffix += expected is not None and expected != picture.format

    @property
    def duplicates(self) -> int:
        return len(self.ids) - len(set(self.digests))

    def notes(self) -> list[str]:
        return _as_notes(
            {
                _DUPLICATES: self.duplicates,
                "files have several pages or frames; the first was read": self.several_frames,
                "files have the suffix of another image format; they were read": self.wrong_suffix,
                "images of floats or 32-bit integers were stretched to their own range": self.stretched,
            }
        )


def _wanted(name: str, head: bytes) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGE_FORMATS or looks_like_image(head)


def _common_size(path: Path) -> int:
    """Return the largest side of the images, clipped to [16, 64], from their headers."""
    largest = SMALLEST_SIZE
    for _, content in walk(path, WalkLog(), _wanted):
        largest = max(largest, largest_side(content))
        if largest >= LARGEST_SIZE:
            return LARGEST_SIZE
    return largest


def _read_all(path: Path, size: int, cache: _Cache) -> ImageSource:
    log, tally = WalkLog(), _Tally()
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        files = walk(path, log, _wanted)
        for name, picture in ahead(files, partial(decode, size=size), pool, 2 * workers):
            if isinstance(picture, str):
                log.unreadable.append(Unreadable(name, picture))
            else:
                cache.append(picture.row)
                tally.add(name, picture)
    if not tally.ids:
        raise InputError(_nothing_readable(path, log))
    rows = cache.rows()
    sizes = np.array(tally.sizes, dtype=np.int32)
    channels = rows.shape[1]
    recognised = (
        f"{len(rows):,} images ({', '.join(sorted(tally.formats))}), fitted into {size} x {size} pixels"
    )
    return ImageSource(
        name=path.name,
        ids=np.array(tally.ids, dtype=object),
        kind="image",
        unreadable=log.unreadable,
        notes=[f"{recognised}, {_in_channels(channels)}", *tally.notes(), *log.notes("images")],
        facts={
            "format": "folder" if path.is_dir() else archive_format(path) or "file",
            "image_formats": dict(tally.formats),
            "image_size": size,
            "channels": channels,
            "widths": [int(sizes[:, 0].min()), int(sizes[:, 0].max())],
            "heights": [int(sizes[:, 1].min()), int(sizes[:, 1].max())],
            "duplicates": tally.duplicates,
        },
        rows=rows,
        sizes=sizes,
        path=path,
        digests=tally.digests,
    )


def _nothing_readable(path: Path, log: WalkLog) -> str:
    if log.unreadable:
        first = log.unreadable[0]
        return (
            f"{path} has no readable image; the first of {len(log.unreadable)} is {first.id}: {first.reason}."
        )
    formats = ", ".join(FORMATS)
    return f"{path} holds no images; they must be {formats}." + "".join(
        f" ({note})" for note in log.notes("images")
    )


def ahead(
    files: Iterable[tuple[str, bytes]],
    function: Callable[[bytes], _Made],
    pool: ThreadPoolExecutor,
    most: int,
) -> Iterator[tuple[str, _Made]]:
    """Apply a function in threads, in order; at most ``most`` files wait in memory at once."""
    waiting: deque[tuple[str, Future[_Made]]] = deque()
    for name, content in files:
        waiting.append((name, pool.submit(function, content)))
        if len(waiting) >= most:
            name, future = waiting.popleft()
            yield name, future.result()
    for name, future in waiting:
        yield name, future.result()


class _Cache:
    """A `Spool` of images: of one channel as long as all are grey, of three from the first colour on."""

    def __init__(self, size: int, options: ReadOptions) -> None:
        self._size = size
        self._folder = options.cache_dir
        self._channels = options.channels or 1
        self._may_widen = options.channels is None
        self._spool = Spool(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.__exit__()

    def append(self, row: NDArray[np.uint8]) -> None:
        """Append an RGB image."""
        if self._channels == 1 and self._may_widen and not _is_grey(row):
            self._widen()
        if self._channels == 1:
            row = _to_grey(row)
        self._spool.append(row)

    def rows(self) -> NDArray[np.uint8]:
        """Return what was appended as a memory map ``(n, c, h, w)``."""
        return self._spool.rows((self._channels, self._size, self._size))

    def _widen(self) -> None:
        with self._spool as grey:
            self._spool = Spool(self._folder)
            self._channels = 3
            for row in grey.rows((1, self._size, self._size)):
                self._spool.append(np.tile(row, (3, 1, 1)))


def _is_grey(row: NDArray[np.uint8]) -> bool:
    return bool((row[0] == row[1]).all() and (row[0] == row[2]).all())


def _to_grey(row: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return one channel, weighted as Pillow does (ITU-R BT.601); grey stays exactly as it is."""
    red, green, blue = row.astype(np.uint32)
    return np.asarray((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16, np.uint8)[None]


# -- arrays --------------------------------------------------------------------------------------------------


def _channels_first(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a view ``(n, c, h, w)``."""
    channels = (1, 3, 4)
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in channels and array.shape[3] in channels:
        array = np.moveaxis(array, 3, 1)
    if array.ndim != 4 or array.shape[1] not in channels or 0 in array.shape:
        raise InputError(
            f"{name} has shape {array.shape}; images need (n, h, w), (n, c, h, w) or (n, h, w, c) "
            "with 1, 3 or 4 channels."
        )
    return array


def _count_odd(rows: NDArray[Any]) -> tuple[int, int]:
    """Return how many rows equal an earlier one, and how many hold values that are not finite."""
    digests: set[bytes] = set()
    non_finite = 0
    for start in range(0, len(rows), _BATCH):
        batch = np.ascontiguousarray(rows[start : start + _BATCH])
        digests.update(blake2b(row.tobytes(), digest_size=16).digest() for row in batch)
        if batch.dtype.kind == "f":
            non_finite += int((~np.isfinite(batch)).any(axis=(1, 2, 3)).sum())
    return len(rows) - len(digests), non_finite
