"""Bytes and text of a file, decompressed and decoded while reading."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from dross.errors import InputError

__all__ = [
    "BlankDelimited",
    "compression_of",
    "encoding_of",
    "in_brief",
    "open_bytes",
    "open_text_lines",
    "read_start",
    "tabs_for_blanks",
]

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}
_ENDS = re.compile(r"(?:^|(?<=[\r\n]))[ \t]+|[ \t]+(?=[\r\n]|\Z)")
_RUNS = re.compile(r'("[^"\n]*")|[ \t]+')
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError)


def in_brief(error: BaseException) -> str:
    """Return the first line of an error's message without its full stop, to stand in a sentence."""
    return str(error).strip().partition("\n")[0].rstrip(".")


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
    try:
        with open_bytes(path) as file:
            start = file.read(n_bytes)
            while len(start) < most and start.count(b"\n") < n_lines and (more := file.read(n_bytes)):
                start += more
            is_cut = bool(file.read(1))
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: permission denied.") from error
    except _DAMAGED as error:
        raise InputError(f"{path} cannot be read: {in_brief(error)}.") from error
    return start, is_cut


def encoding_of(start: bytes) -> str:
    """Return "utf-16", "utf-8-sig", "utf-8" or, where that cannot be, "latin-1".

    >>> encoding_of("grün".encode()), encoding_of("grün".encode("latin-1"))
    ('utf-8', 'latin-1')
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
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
