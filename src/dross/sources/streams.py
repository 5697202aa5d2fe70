"""Bytes and text of a file, decompressed and decoded while reading."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from dross.errors import InputError

__all__ = [
    "READ_ERRORS",
    "BlankDelimited",
    "compression_of",
    "damage_named",
    "encoding_of",
    "in_brief",
    "marked_encoding",
    "open_bytes",
    "open_text_lines",
    "read_start",
    "tabs_for_blanks",
]

_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is its beginning
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_ENDS = re.compile(r"(?:^|(?<=[\r\n]))[ \t]+|[ \t]+(?=[\r\n]|\Z)")
_RUNS = re.compile(r'("[^"\n]*")|[ \t]+')

READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    OverflowError,
    SyntaxError,  # of XML
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)
"""What readers raise for damaged bytes; which one depends on where the damage is."""


def in_brief(error: BaseException) -> str:
    """Return an error in a few words without a full stop, to stand in a sentence."""
    reason = error.strerror if isinstance(error, OSError) else None
    first_line = str(error).strip().partition("\n")[0]
    return (reason or first_line or type(error).__name__).rstrip(".:")


@contextmanager
def damage_named(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever a reader raises for damaged bytes into an `InputError` that names the file.

    Parameters
    ----------
    path : Path
    what : str
        "a table", say, where it was to be read as one.
    """
    try:
        yield
    except InputError:
        raise
    except READ_ERRORS as error:
        raise InputError(f"{path} cannot be read{what and ' as '}{what}: {in_brief(error)}.") from error


def compression_of(path: Path) -> str | None:
    """Return "gzip", "bz2", "xz" or None, by the first bytes of the file."""
    with path.open("rb") as file:
        start = file.read(6)
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading, decompressed."""
    match compression_of(path):
        case "gzip":
            return cast("BinaryIO", gzip.open(path, "rb"))
        case "bz2":
            return cast("BinaryIO", bz2.open(path, "rb"))
        case "xz":
            return cast("BinaryIO", lzma.open(path, "rb"))
        case _:
            return path.open("rb")


def read_start(
    path: Path, *, n_bytes: int = 1 << 18, n_lines: int = 0, most: int = 1 << 24
) -> tuple[bytes, bool]:
    """Return the first bytes (decompressed), and whether more follow.

    These are ``n_bytes``, and on until there are ``n_lines`` lines or ``most`` bytes.

    Raises
    ------
    InputError
        If the file cannot be read or its compression is damaged.
    """
    with damage_named(path), open_bytes(path) as file:
        start = file.read(n_bytes)
        while len(start) < most and start.count(b"\n") < n_lines and (more := file.read(n_bytes)):
            start += more
        is_cut = bool(file.read(1))
    return start, is_cut


def marked_encoding(start: bytes) -> str | None:
    """Return what the mark at the beginning says, if there is one."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)


def encoding_of(start: bytes) -> str:
    """Return what the mark at the beginning says, "utf-8" or, where that cannot be, "latin-1".

    >>> encoding_of("grün".encode()), encoding_of("grün".encode("latin-1"))
    ('utf-8', 'latin-1')
    """
    if marked := marked_encoding(start):
        return marked
    try:  # not final: the last character may be cut in two
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def open_text_lines(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file as decoded text; what cannot be decoded becomes U+FFFD."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors="replace", newline="")


def tabs_for_blanks(text: str) -> str:
    """Turn each run of blanks into one tab, but for those inside quotation marks and at the ends of lines.

    >>> tabs_for_blanks('a  "b c"  \\n')
    'a\\t"b c"\\n'
    """
    return _RUNS.sub(lambda run: run[1] or "\t", _ENDS.sub("", text))


class BlankDelimited(io.RawIOBase):
    """UTF-8 bytes of a text whose fields are separated by runs of blanks, as separated by tabs."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        super().__init__()
        self._text = text
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._ready:
            self._ready = tabs_for_blanks(self._text.read(1 << 20) + self._text.readline()).encode()
        n = min(len(buffer), len(self._ready))
        buffer[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def close(self) -> None:
        self._text.close()
        super().close()
