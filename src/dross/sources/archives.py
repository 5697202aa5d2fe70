"""One way to walk the files of a folder, a zip or a tar, without unpacking anything.

A folder is walked in sorted order, an archive in its own order, so that a compressed tar is read once from
its beginning to its end. Nothing is written and no file is changed.

What is passed over, and how it is told (`WalkLog`):

- hidden files and folders, ``__MACOSX``, ``Thumbs.db`` and ``desktop.ini``: counted;
- files that the caller does not want, such as annotations beside images: counted by suffix;
- a linked folder that is read anyway (a loop, or a second road to it): counted;
- links and special files in archives, links that lead nowhere, absolute names and names with ``..``, second
  files of one name, encrypted, damaged and huge files: listed by name, with the reason.
"""

from __future__ import annotations

import os
import re
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from dross.errors import InputError
from dross.sources.base import Unreadable
from dross.sources.streams import READ_ERRORS, in_brief

__all__ = [
    "IMAGE_FORMATS",
    "WalkLog",
    "archive_format",
    "looks_like_image",
    "looks_like_numbers",
    "looks_like_text",
    "looks_like_video",
    "name_trouble",
    "peek",
    "walk",
]

LARGEST_FILE = 256 * 1024 * 1024
"""Bytes; a larger file is listed as unreadable, so that one file can never fill the memory."""

IMAGE_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pbm": "PPM",
    ".pnm": "PPM",
}
"""Suffix -> the format that Pillow names so."""

_HEAD = 4096
_NUMBERS_A_LINE = 16
_NUMBER = re.compile(rb"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\f\r\x1b"))
_NOT_VIDEO = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}  # pictures
    | {b"M4A ", b"M4B ", b"M4P "}  # sound
)
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_HIDDEN_NAMES = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


Want = Callable[[str, bytes], bool]
"""Name and first bytes of a file -> whether to read the rest."""


@dataclass
class WalkLog:
    """What a walk passed over: ``unreadable`` by name, the rest as counts."""

    unreadable: list[Unreadable] = field(default_factory=list)
    hidden: int = 0
    links: int = 0
    unwanted: Counter[str] = field(default_factory=Counter)
    damage: str | None = None

    def notes(self, wanted: str) -> list[str]:
        """Return the counts as sentences; ``wanted`` names what was looked for, such as "images"."""
        notes = []
        if self.damage:
            notes.append(self.damage)
        if self.unwanted:
            suffixes = ", ".join(f"{count} {suffix}" for suffix, count in self.unwanted.most_common(6))
            notes.append(f"passed over {self.unwanted.total()} files that are no {wanted} ({suffixes})")
        if self.hidden:
            notes.append(f"passed over {self.hidden} hidden files or folders")
        if self.links:
            notes.append(f"passed over {self.links} links to folders that are read anyway")
        return notes


@dataclass(frozen=True)
class _Entry:
    """A file before it is read: the size that an archive declares, and ``trouble`` if it cannot be read."""

    name: str
    open: Callable[[], IO[bytes]]
    size: int = 0
    trouble: str | None = None


def walk(path: Path, log: WalkLog, want: Want = lambda name, head: True) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file of a folder or archive, or of one plain file.

    Parameters
    ----------
    path
        A folder, zip, tar (also compressed with gzip, bzip2 or xz), or a file.
    log
        Filled during the walk with what was passed over.
    want
        Told a name and the first 4 096 bytes, says whether to read the rest.

    Yields
    ------
    name, content
        The name within ``path``, its parts divided by ``/``, bytes that are no UTF-8 like ``\\xff``.

    Raises
    ------
    InputError
        The path does not exist or cannot be opened, or an archive is damaged before its first file.
    """
    seen: set[str] = set()
    for entry in _entries(path, log):
        if _is_hidden(name := _readable_name(entry.name)):
            log.hidden += 1
            continue
        trouble = entry.trouble or ("a second file of this name" if name in seen else None)
        seen.add(name)
        content: bytes | None = None
        try:
            content = None if trouble else _read(entry, name, want)
        except READ_ERRORS as error:
            trouble = in_brief(error)
        if trouble:
            log.unreadable.append(Unreadable(name, trouble))
        elif content is None:
            log.unwanted[PurePosixPath(name).suffix.lower() or "without suffix"] += 1
        else:
            yield name, content


def archive_format(path: Path) -> Literal["zip", "tar"] | None:
    """Say by its content whether a file is an archive.

    Raises
    ------
    InputError
        The name ends like an archive's, but the content is none: it is damaged or cut off.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        if magic in (b"PK\x03\x04", b"PK\x05\x06") and zipfile.is_zipfile(path):
            return "zip"
        if tarfile.is_tarfile(path):
            return "tar"
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {in_brief(error)}.") from None
    except READ_ERRORS:
        pass  # the first compressed block is damaged
    if path.name.lower().endswith(_ARCHIVE_SUFFIXES):
        raise InputError(f"{path} is named like an archive, but is damaged, cut off or none.")
    return None


def peek(path: Path) -> Literal["image", "text", "video", "features"] | None:
    """Say what a folder or archive holds, from the first bytes of its files.

    At least a quarter of the files must be images for "image", or videos for "video" (annotations often lie
    beside them), half of them rows of numbers for "features", and half of them text for "text". At most
    5 000 files are looked at, and 1 000 if those are enough for "image".
    None for a plain file, an office document, or a folder of anything else.
    """
    if not path.is_dir() and archive_format(path) is None:
        return None
    kinds: Counter[str] = Counter()

    def look(name: str, head: bytes) -> bool:
        kinds[_kind_of(head)] += 1
        kinds["office"] += name == "[Content_Types].xml"
        return kinds.total() >= (1000 if kinds["image"] >= kinds.total() / 4 else 5_000)

    next(walk(path, WalkLog(), look), None)  # no file is read beyond its first bytes until there is enough
    if kinds["office"]:
        return None
    if kinds["image"] >= max(kinds.total() / 4, 1):
        return "image"
    if kinds["video"] >= max(kinds.total() / 4, 1):
        return "video"
    half = max(kinds.total() / 2, 1)
    if kinds["features"] >= half:
        return "features"
    return "text" if kinds["text"] + kinds["features"] >= half else None


def _kind_of(head: bytes) -> str:
    if looks_like_image(head):
        return "image"
    if looks_like_video(head):
        return "video"
    if looks_like_numbers(head):
        return "features"
    return "text" if head and looks_like_text(head) else "other"


def looks_like_image(head: bytes) -> bool:
    r"""Say whether the first bytes are those of a PNG, JPEG, TIFF, BMP, WebP, GIF or PPM.

    Examples
    --------
    >>> looks_like_image(b"\x89PNG\r\n\x1a\n"), looks_like_image(b"BMW is a maker of cars.")
    (True, False)
    """
    if head.startswith(b"BM"):  # two letters are weak: the size of the header must be a known one, too
        return head[14:18] in {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    if head[:1] == b"P":
        return head[1:2] in b"123456" and head[2:3].isspace()
    return head.startswith(
        (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    )


def looks_like_video(head: bytes) -> bool:
    r"""Say whether the first bytes are those of an MP4 or MOV, AVI, or MKV or WebM file.

    Examples
    --------
    >>> looks_like_video(b"\x00\x00\x00\x20ftypisom"), looks_like_video(b"\x00\x00\x00\x18ftypheic")
    (True, False)
    """
    if head[4:8] == b"ftyp":
        return head[8:12] not in _NOT_VIDEO
    return (head.startswith(b"RIFF") and head[8:12] == b"AVI ") or head.startswith(b"\x1aE\xdf\xa3")


def looks_like_numbers(head: bytes) -> bool:
    r"""Say whether the first bytes are those of an .npy array, or of a text with 16 numbers or more a line.

    Examples
    --------
    >>> looks_like_numbers(b"0.5 " * 20), looks_like_numbers(b"1 2 3\n4 5 6\n")
    (True, False)
    """
    if head.startswith(b"\x93NUMPY"):
        return True
    lines = head.split(b"\n")
    words = lines[0].split() if len(lines) > 1 else head.split()[:-1]  # the last one may be cut
    return len(words) >= _NUMBERS_A_LINE and all(_NUMBER.fullmatch(word) for word in words)


def looks_like_text(head: bytes) -> bool:
    r"""Say whether bytes may be text: UTF-16 or UTF-32 with its mark, or with few control characters.

    Examples
    --------
    >>> looks_like_text("naïve".encode("latin-1")), looks_like_text(b"\x00\x01\x02")
    (True, False)
    """
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        return True
    if b"\0" in head:
        return False
    # random bytes have 11 % control characters, a signature with a frame drawn of them 7 % of its message
    return len(head) - len(head.translate(None, _CONTROLS)) <= max(8, len(head) / 12)


def _entries(path: Path, log: WalkLog) -> Iterator[_Entry]:
    if path.is_dir():
        return _folder_entries(path, log)
    match archive_format(path):
        case "zip":
            return _zip_entries(path)
        case "tar":
            return _tar_entries(path, log)
    if not path.is_file():
        raise InputError(f"{path} does not exist, or is neither a file nor a folder.")
    return iter([_Entry(path.name.lstrip("."), _opener(path))])


def _folder_entries(root: Path, log: WalkLog) -> Iterator[_Entry]:
    visited: set[str] = set()
    pending = [root]
    while pending:
        path = pending.pop()
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            if _is_read_elsewhere(path, root, visited):
                log.links += 1
                continue
            try:
                children = sorted(path.iterdir(), reverse=True)
            except OSError as error:
                if path == root:
                    raise InputError(f"{path} cannot be read: {in_brief(error)}.") from None
                log.unreadable.append(Unreadable(_readable_name(name), in_brief(error)))
                continue
            pending += [child for child in children if not _is_hidden(child.name)]
            log.hidden += sum(_is_hidden(child.name) for child in children)
        elif path.is_file():
            yield _Entry(name, _opener(path))
        else:  # not to be opened: a named pipe would wait for ever
            trouble = "a link that leads nowhere" if path.is_symlink() else "no regular file"
            yield _Entry(name, _opener(path), trouble=trouble)


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _is_read_elsewhere(folder: Path, root: Path, visited: set[str]) -> bool:
    """Say whether a folder was walked before, or is linked to and will be walked at its own place."""
    real = os.path.realpath(folder)
    if real in visited:
        return True
    if folder != root and folder.is_symlink() and Path(real).is_relative_to(os.path.realpath(root)):
        return True
    visited.add(real)
    return False


def _zip_entries(path: Path) -> Iterator[_Entry]:
    try:
        archive = zipfile.ZipFile(path)
    except READ_ERRORS as error:
        raise InputError(f"{path} is a damaged zip: {in_brief(error)}.") from None
    with archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            trouble = name_trouble(info.filename)
            if info.flag_bits & 1:
                trouble = "encrypted"
            elif stat.S_ISLNK(info.external_attr >> 16):
                trouble = "a link, and links in archives are not followed"
            yield _Entry(info.filename, partial(archive.open, info), info.file_size, trouble)


def _tar_entries(path: Path, log: WalkLog) -> Iterator[_Entry]:
    count = 0
    try:
        with tarfile.open(path, "r:*") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # or the whole directory of the archive stays in memory
                if info.isdir():
                    continue
                trouble = name_trouble(info.name)
                if info.islnk() or info.issym():
                    trouble = "a link, and links in archives are not followed"
                elif not info.isfile():
                    trouble = "no regular file"
                count += 1
                yield _Entry(info.name, partial(_open_in_tar, archive, info), info.size, trouble)
            _check_end(archive)
    except READ_ERRORS as error:
        if not count:
            raise InputError(f"{path} is a damaged tar: {in_brief(error)}.") from None
        log.damage = f"{path.name} is damaged or cut off after its first {count} files; the rest is lost"


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise if the archive ends before its end: tarfile takes any damaged header for it."""
    file = archive.fileobj
    if file is None:
        return
    file.seek(archive.offset)
    if file.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError("damaged header")


def _open_in_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(info)
    if file is None:
        raise tarfile.ReadError("no regular file")
    return file


def _read(entry: _Entry, name: str, want: Want) -> bytes | None:
    """Return the whole content, or None if it is not wanted."""
    with entry.open() as file:
        head = file.read(_HEAD)
        if not want(name, head):
            return None
        if entry.size > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE // 2**20} MiB")
        # the declared size may be a lie, so one byte more is asked for than is allowed
        content = head + file.read(LARGEST_FILE + 1 - len(head))
    if len(content) > LARGEST_FILE:
        raise ValueError(f"larger than {LARGEST_FILE // 2**20} MiB")
    if len(content) < entry.size:
        raise EOFError("shorter than it should be")
    return content


def _readable_name(name: str) -> str:
    # names that are no UTF-8 come with lone surrogates, which no output file can hold
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return PurePosixPath(readable).as_posix()


def _is_hidden(name: str) -> bool:
    parts = name.split("/")
    return any(part in _HIDDEN_NAMES or (part[:1] == "." and part[:2] not in (".", "..")) for part in parts)


def name_trouble(name: str) -> str | None:
    """Refuse names that would lead out of the tree, in the notation of any system."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or not parts[0] or parts[0].endswith(":"):
        return "an absolute name or one with '..'"
    return None
