"""What is read: tables, arrays, images, texts and videos, each as rows with ids."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dross.errors import InputError
from dross.sources.base import ReadOptions, Source
from dross.sources.recognise import Recognised, recognise

if TYPE_CHECKING:
    from dross.sources.tables import TableSource

__all__ = ["open_source"]


def open_source(data: Any, options: ReadOptions | None = None) -> Source:
    """Open whatever it is as rows with ids.

    Parameters
    ----------
    data
        A path (str or Path) to a file, folder or archive; an array ``(n, d)``, ``(n, h, w)`` or
        ``(n, c, h, w)``; or a pandas, polars or pyarrow table.
    options
        How to read; by default everything is found out.

    Raises
    ------
    InputError
        If it cannot be read; the message says what was got and what is needed.

    Examples
    --------
    >>> source = open_source(np.zeros((6, 2)))
    >>> source.kind, len(source), source.columns
    ('array', 6, ['0', '1'])
    """
    options = options or ReadOptions()
    if isinstance(data, (str, Path)):
        return _open_path(Path(data), options)
    if isinstance(data, np.ndarray):
        from dross.sources.arrays import array_source

        _check_forced(Recognised("array", "npy"), options, "the array")
        return array_source(data, "array", options)
    from dross.sources.frames import frame_source

    _check_forced(Recognised("table", "arrow"), options, "the table")
    return _texts_if_asked(frame_source(data, options), options)


def _open_path(path: Path, options: ReadOptions) -> Source:
    found = recognise(path)
    kind = _check_forced(found, options, str(path))
    if kind == "array":
        from dross.sources.arrays import open_array

        return open_array(path, found.format, options)
    if kind == "image":
        from dross.sources.images import open_images

        return open_images(path, options)
    if kind == "video":
        from dross.sources.video import open_videos

        return open_videos(path, options)
    if kind == "features":
        from dross.sources.vectors import open_vectors

        return open_vectors(path)
    if kind == "table":
        from dross.sources.tables import open_table

        return _texts_if_asked(open_table(path, found.format, options), options)
    from dross.sources.text import open_text

    return open_text(path)


def _texts_if_asked(table: TableSource, options: ReadOptions) -> Source:
    """Return the table, or the column of it that is to be read as texts."""
    if options.text_column is None:
        return table
    from dross.sources.tables import find_column
    from dross.sources.text import text_column

    return text_column(table, find_column(options.text_column, table.columns))


def _names_columns(options: ReadOptions) -> bool:
    return bool(options.id_column or options.label_column or options.text_column or options.ignore_columns)


def _check_forced(found: Recognised, options: ReadOptions, what: str) -> str:
    """Return the kind to read as: the recognised one, or the forced one where the format allows it."""
    by_format = {
        "delimited": {"table", "text"},
        "jsonl": {"table", "text"},
        "lines": {"table", "text"},
        "folder": {"image", "text", "video", "features"},
        "zip": {"image", "text", "features"},
        "tar": {"image", "text", "features"},
        "npy": {"array", "table", "image", "features"},
        "npz": {"array", "table", "image", "features"},
        "image": {"image"},
        "video": {"video"},
    }
    allowed = by_format.get(found.format, {"table"})
    if options.kind == "auto":
        # a column can only be named of a table, whatever the file looks like
        return (
            "table" if _names_columns(options) and "table" in allowed and found.kind == "text" else found.kind
        )
    if options.kind == "text" and options.text_column is not None and "table" in allowed:
        return "table"
    if options.kind not in allowed:
        raise InputError(f"{what} cannot be read as {options.kind}: it is {found.kind} ({found.format}).")
    return "array" if found.format in ("npy", "npz") else options.kind
