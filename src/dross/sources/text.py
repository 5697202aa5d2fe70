"""Texts as rows: the lines of a file, the files of a folder or archive, or a column of a table.

Text is UTF-8, or UTF-16 or UTF-32 with its mark; what is none of these is taken for latin-1, line by line in
a file of lines. Bytes with NUL or many control characters are no text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from io import TextIOWrapper
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dross.errors import InputError
from dross.sources.archives import WalkLog, archive_format, looks_like_text, walk
from dross.sources.base import Source, Unreadable
from dross.sources.streams import READ_ERRORS, in_brief, marked_encoding, open_bytes
from dross.sources.tables import TableSource

__all__ = ["TextSource", "decode_text", "open_text", "text_column"]

_KEPT_CHARACTERS = 64 * 1024 * 1024
_SHOWN_CHARACTERS = 2000


@dataclass
class _Log(WalkLog):
    """What one pass over the texts met."""

    encodings: Counter[str] = field(default_factory=Counter)
    blank_lines: int = 0


_Reader = Callable[[_Log], Iterator[tuple[Any, str]]]
"""One pass over the readable texts: id (for a column the row of the table) and text."""


@dataclass(kw_only=True, eq=False)
class TextSource(Source):
    """Documents, held in memory up to 64 Mi characters in all, and read again on every pass beyond that.

    Parameters
    ----------
    reader
        Yields id and text of every readable document, in row order, on each call.
    kept
        The documents if they are few enough, else None.
    table, table_rows
        The table that the documents are a column of, and the row of each; None otherwise.
    """

    family: ClassVar[Literal["text"]] = "text"

    reader: _Reader
    kept: list[str] | None
    table: TableSource | None = None
    table_rows: NDArray[np.int64] | None = None

    def documents(self) -> Iterator[str]:
        """Yield all documents in row order; may be called again and again."""
        return iter(self.kept) if self.kept is not None else self._read_again()

    def _read_again(self) -> Iterator[str]:
        n = 0
        for _, text in self.reader(_Log()):
            n += 1
            if n > len(self):
                break
            yield text
        if n != len(self):
            raise InputError(f"{self.name} has changed while it was read.")

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """Return a few whole documents, in the order asked."""
        wanted = [int(row) for row in rows]
        if self.kept is not None:
            return [self.kept[row] for row in wanted]
        last = max(wanted, default=-1)
        found: dict[int, str] = {}
        chosen = set(wanted)
        for row, text in enumerate(self.documents()):
            if row in chosen:
                found[row] = text
            if row >= last:
                break
        return [found[row] for row in wanted]

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return all columns of the table, or the column ``text`` with the first 2 000 characters."""
        if self.table is not None and self.table_rows is not None:
            return self.table.take(self.table_rows[np.asarray(rows, np.int64)])
        return pa.table(
            {"text": pa.array([text[:_SHOWN_CHARACTERS] for text in self.read(rows)], pa.string())}
        )


def open_text(path: Path) -> TextSource:
    """Read a file of lines (also compressed), or a folder or archive of text files.

    The ids are 0-based line numbers, or names relative to ``path``. Blank lines are passed over; blank
    files are listed as unreadable.

    Raises
    ------
    InputError
        Nothing can be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "notes.txt").write_text("one\\n\\nthree\\n")
    ...     source = open_text(Path(folder) / "notes.txt")
    >>> source.ids.tolist(), list(source.documents())
    ([0, 2], ['one', 'three'])
    """
    if path.is_dir() or archive_format(path):
        source = _source(path.name, partial(_files, path))
        source.facts["format"] = archive_format(path) or "folder"
    else:
        source = _source(path.name, partial(_lines, path))
        source.facts["format"] = "lines"
        source.ids = source.ids.astype(np.int64)
    return source


def text_column(table: TableSource, column: str) -> TextSource:
    """Take one column of a table as documents; ids and known answers stay those of its rows.

    Rows whose cell is missing or blank are listed as unreadable.

    Raises
    ------
    InputError
        Every cell is missing or blank.
    """
    source = _source(table.name, partial(_cells, table, column), table=table)
    rows = source.ids.astype(np.int64)
    labels = table.labels
    if labels is not None:
        labels = replace(labels, is_anomaly=labels.is_anomaly[rows])
    source.ids, source.table_rows, source.labels = table.ids[rows], rows, labels
    source.unreadable = [*table.unreadable, *source.unreadable]
    source.notes = [*table.notes, *source.notes]
    source.facts = table.facts | {"text_column": column} | source.facts
    return source


def decode_text(content: bytes) -> tuple[str, str]:
    """Return the text of a file and the encoding it was read in.

    Raises
    ------
    ValueError
        It is no text, or not what its mark says.

    Examples
    --------
    >>> import codecs
    >>> decode_text("für".encode("latin-1")), decode_text(codecs.BOM_UTF8 + b"for")
    (('für', 'latin-1'), ('for', 'utf-8-sig'))
    """
    marked = marked_encoding(content)
    if marked is None and (b"\0" in content or not looks_like_text(content)):
        raise ValueError("binary content, no text")
    encoding = marked or "utf-8"
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError:
        if marked in ("utf-16", "utf-32"):
            raise ValueError(f"not valid {encoding.upper()}, though it is marked as such") from None
    return content.decode("latin-1"), "latin-1"


def _source(name: str, reader: _Reader, table: TableSource | None = None) -> TextSource:
    """Go through all texts once: ids, what cannot be read, duplicates, and the texts while they are few."""
    log = _Log()
    ids: list[Any] = []
    digests: set[bytes] = set()
    kept: list[str] | None = []
    characters = 0
    for identity, text in reader(log):
        ids.append(identity)
        digests.add(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())
        characters += len(text)
        if kept is not None:
            kept.append(text)
        if characters > _KEPT_CHARACTERS:
            kept = None
    if not ids:
        first = f"; the first is {log.unreadable[0].id}: {log.unreadable[0].reason}" if log.unreadable else ""
        raise InputError(f"{name} has no readable text{first}.")
    duplicates = len(ids) - len(digests)
    counts = {
        "exact duplicates of another text": duplicates,
        "blank lines passed over": log.blank_lines,
        "texts read as latin-1, since they are not UTF-8": log.encodings["latin-1"],
    }
    return TextSource(
        name=name,
        ids=np.array(ids, dtype=object),
        kind="text",
        unreadable=log.unreadable,
        notes=[f"{len(ids):,} texts"]
        + [f"{count:,} {what}" for what, count in counts.items() if count]
        + log.notes("texts"),
        facts={"characters": characters, "duplicates": duplicates, "encodings": dict(log.encodings)},
        reader=reader,
        kept=kept,
        table=table,
    )


def _files(path: Path, log: _Log) -> Iterator[tuple[str, str]]:
    for name, content in walk(path, log):
        try:
            text, encoding = decode_text(content)
        except ValueError as error:
            log.unreadable.append(Unreadable(name, str(error)))
            continue
        if not text.strip():
            log.unreadable.append(Unreadable(name, "empty"))
            continue
        log.encodings[encoding] += 1
        yield name, text


def _lines(path: Path, log: _Log) -> Iterator[tuple[int, str]]:
    number = -1
    try:
        with _open_lines(path) as lines:
            for number, line in enumerate(lines):
                text, encoding = _mend(line.rstrip("\n"), lines.encoding)
                if "\0" in text:
                    log.unreadable.append(Unreadable(str(number), "binary content, no text"))
                elif not text.strip():
                    log.blank_lines += 1
                else:
                    log.encodings[encoding] += 1
                    yield number, text
    except READ_ERRORS as error:
        if number < 0:
            raise InputError(f"{path} cannot be read: {in_brief(error)}.") from None
        log.damage = f"{path.name} is damaged or cut off after line {number + 1:,}; the rest is lost"


def _open_lines(path: Path) -> TextIOWrapper:
    with open_bytes(path) as file:
        start = file.read(4096)
    encoding = marked_encoding(start)
    if encoding in ("utf-16", "utf-32"):
        return TextIOWrapper(open_bytes(path), encoding, "replace")
    if not looks_like_text(start):
        raise InputError(f"{path} is not text: it holds binary data.")
    # bytes that are no UTF-8 come through as lone surrogates, so that each line can be decoded for itself
    return TextIOWrapper(open_bytes(path), encoding or "utf-8", "surrogateescape")


def _mend(line: str, encoding: str) -> tuple[str, str]:
    if line.isascii():
        return line, encoding
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return line.encode("utf-8", "surrogateescape").decode("latin-1"), "latin-1"
    return line, encoding


def _cells(table: TableSource, column: str, log: _Log) -> Iterator[tuple[int, str]]:
    row = -1
    for batch in table.batches([column]):
        for text in batch.column(0).cast(pa.string()).to_pylist():
            row += 1
            if text is None or not text.strip():
                log.unreadable.append(Unreadable(str(table.ids[row]), f"empty cell in {column!r}"))
            else:
                yield row, text
