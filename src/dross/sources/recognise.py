"""What a path holds, told by its content; names decide only where the content leaves it open."""

from __future__ import annotations

import json
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dross.errors import InputError
from dross.sources.archives import archive_format, looks_like_image, looks_like_text, looks_like_video, peek
from dross.sources.base import Kind
from dross.sources.sniff import sniff
from dross.sources.streams import compression_of, damage_named, encoding_of, in_brief, read_start

__all__ = ["Recognised", "recognise"]

_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".psv", ".dat", ".data"})


@dataclass(frozen=True)
class Recognised:
    """A kind, and the format within it.

    ``format`` is one of ``delimited, jsonl, xlsx, parquet, arrow, arrow-stream`` (tables), ``npy, npz``
    (arrays), ``image``, ``video``, ``lines`` (text), ``folder, zip, tar`` (of images, texts or videos).
    """

    kind: Kind
    format: str


_KNOWN = {
    b"PAR1": Recognised("table", "parquet"),
    b"ARROW1\0\0": Recognised("table", "arrow"),
    b"\xff\xff\xff\xff": Recognised("table", "arrow-stream"),
    b"\x93NUMPY": Recognised("array", "npy"),
}
_PICKLE = "a Python pickle, which is never loaded since that can run code; save a .npy or Parquet file"
_REFUSED = {
    b"PK\x03\x04": "a damaged or cut-off .zip, .xlsx or .npz file",
    b"%PDF-": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Office file; save it as .xlsx without a password or as CSV",
    b"\x89HDF": "an HDF5 file; export the array as .npy or the table as Parquet",
    b"SQLite format 3": "an SQLite data base; export the table as CSV or Parquet",
    b"ORC": "an ORC file; convert it to Parquet",
    b"FEA1": "a Feather file of version 1; write it again as version 2 or Parquet",
    b"Obj\x01": "an Avro file; convert it to Parquet",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it or pack it as .zip",
    b"Rar!": "a RAR archive; unpack it or pack it as .zip",
    b"\x28\xb5\x2f\xfd": "Zstandard-compressed; unpack it or use gzip",
    b"\x7fELF": "a program",
}


def recognise(path: Path) -> Recognised:
    """Tell the kind of a file or folder by what is in it.

    Raises
    ------
    InputError
        If there is no such path, it is empty, cannot be read, is neither file nor folder (a pipe, a device),
        or holds nothing that dross reads.
    """
    if _is_folder(path):
        return _folder_or_archive(path, "folder")
    match archive_format(path):
        case "zip":
            return _zip(path)
        case "tar":
            return _folder_or_archive(path, "tar")
    start, is_cut = read_start(path, n_lines=50)
    if not start.strip():
        raise InputError(f"{path} is empty.")
    is_packed = compression_of(path) is not None
    if not is_packed and (found := _by_magic(path, start)):
        return found
    if not looks_like_text(start):
        what = "holds compressed binary data: unpack it" if is_packed else "is of no known format"
        raise InputError(
            f"{path} {what}. dross reads delimited text, JSON lines, .xlsx, Parquet, Arrow, .npy and .npz, "
            "images, text, and folders, zip and tar archives of images or texts."
        )
    return _text(path, start, is_cut=is_cut)


def _by_magic(path: Path, start: bytes) -> Recognised | None:
    for magic, found in _KNOWN.items():
        if start.startswith(magic):
            return found
    if looks_like_image(start):
        return Recognised("image", "image")
    if looks_like_video(start):
        return Recognised("video", "video")
    for magic, what in _REFUSED.items():
        if start.startswith(magic):
            raise InputError(f"{path} is {what}.")
    return None


def _is_folder(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise InputError(f"there is no file or folder {path}.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read: {in_brief(error)}.") from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is neither a file nor a folder.")
    return stat.S_ISDIR(mode)


def _folder_or_archive(path: Path, form: str) -> Recognised:
    kind = peek(path)
    if kind is None:
        what = "folder" if form == "folder" else "archive"
        raise InputError(f"{path}: the {what} holds neither images nor texts, videos or features.")
    if kind == "video" and form != "folder":
        raise InputError(f"{path} holds videos; unpack it, since they are read more than once.")
    return Recognised(kind, form)


def _zip(path: Path) -> Recognised:
    with damage_named(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if "[Content_Types].xml" in names:
        if any(name.startswith("xl/workbook.") for name in names):
            return Recognised("table", "xlsx")
        raise InputError(f"{path} is an Office document, but no spreadsheet.")
    if path.suffix.lower() != ".zip" and names and all(name.endswith(".npy") for name in names):
        return Recognised("array", "npz")
    if names[:1] == ["mimetype"]:
        raise InputError(f"{path} is an OpenDocument or EPUB file; save it as .xlsx, CSV or plain text.")
    return _folder_or_archive(path, "zip")


def _text(path: Path, start: bytes, *, is_cut: bool) -> Recognised:
    text = start.decode(encoding_of(start), errors="replace")
    first = text.lstrip("\ufeff \t\r\n").split("\n", 1)[0]
    if first.startswith("{") and _is_json_object(first):
        return Recognised("table", "jsonl")
    if first.startswith("[") and text.lstrip("\ufeff \t\r\n[").startswith("{"):
        raise InputError(f"{path} is one JSON list; write it as JSON lines, one object a line.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    by_name = any(suffix in _TABLE_SUFFIXES for suffix in suffixes)
    is_table = sniff(text, is_cut=is_cut, surely_table=by_name) is not None
    return Recognised("table", "delimited") if is_table else Recognised("text", "lines")


def _is_json_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
