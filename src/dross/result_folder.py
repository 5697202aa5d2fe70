"""A result folder that is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dross.checkpoint import CHECKPOINT_FILES
from dross.errors import InputError

__all__ = ["CHECKPOINT", "RESULT_FILES", "check_target", "earlier_summary", "staged"]

RESULT_FILES = ("scores.parquet", "anomalies.csv", "report.html", "model.dross", "summary.json")
CHECKPOINT = "checkpoint"
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_HERE = -100  # AT_FDCWD


def check_target(folder: Path) -> None:
    """Raise if a result cannot be written to ``folder`` without harm; bring back a result a kill displaced.

    Leaves nothing behind that was not there before.

    Raises
    ------
    InputError
        If it is a file, the working folder or a mount point, holds files that dross did not write, or cannot
        be written.
    """
    _recover(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out needs a folder.")
    if folder == Path.cwd() or folder.is_mount():
        what = "a mount point" if folder.is_mount() else "the working folder"
        raise InputError(f"{folder} is {what}, which cannot be replaced as a whole; name a folder in it.")
    if foreign := _foreign_files(folder):
        raise InputError(
            f"{folder} holds files that dross did not write ({', '.join(foreign[:3])}"
            f"{', ...' if len(foreign) > 3 else ''}); choose another folder with --out."
        )
    place = next(parent for parent in folder.parents if parent.exists())
    try:
        probe = place / f".{folder.name}.probe-{os.getpid()}"
        probe.mkdir()
        probe.rmdir()
        if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written: {error.strerror}; choose another folder with --out."
        ) from None


def _foreign_files(folder: Path) -> list[str]:
    """Return what is in a result folder, or in its checkpoint, that dross did not write."""
    if not folder.is_dir():
        return []
    checkpoint = folder / CHECKPOINT
    inside = checkpoint.iterdir() if checkpoint.is_dir() else ()
    foreign = [path.name for path in folder.iterdir() if path.name not in (*RESULT_FILES, CHECKPOINT)]
    foreign += [f"{CHECKPOINT}/{path.name}" for path in inside if not path.name.startswith(CHECKPOINT_FILES)]
    return sorted(foreign)


def earlier_summary(folder: Path) -> dict[str, Any] | None:
    """Return summary.json of the result in ``folder``: None without a result, empty if unreadable."""
    if not any((folder / name).exists() for name in RESULT_FILES):
        return None
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into; it takes the place of ``folder`` at the end, or vanishes on an error.

    Raises
    ------
    InputError
        As `check_target`: what dross did not write is never replaced.
    """
    check_target(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    partial = folder.parent / f".{folder.name}.partial-{os.getpid()}"
    partial.mkdir()
    try:
        yield partial
        _replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(partial: Path, folder: Path) -> None:
    """Put ``partial`` in the place of ``folder``; afterwards ``partial`` is the old folder, or gone."""
    if not folder.exists():
        partial.rename(folder)
    elif not _exchange(partial, folder):
        previous = _previous(folder)
        shutil.rmtree(previous, ignore_errors=True)  # left by a kill after the second rename
        folder.rename(previous)
        partial.rename(folder)
        shutil.rmtree(previous)


def _exchange(a: Path, b: Path) -> bool:
    """Swap two folders in one step where the system can (Linux); say whether it did."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    return bool(renameat2(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE) == 0)


def _previous(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.previous"


def _recover(folder: Path) -> None:
    """Undo the first half of a replacement that was killed before its second."""
    previous = _previous(folder)
    if previous.is_dir() and not folder.exists():
        previous.rename(folder)


def _sweep(folder: Path) -> None:
    """Remove what killed runs left beside ``folder``."""
    prefix = f".{folder.name}.partial-"
    for left in folder.parent.glob(f"{prefix}*"):
        pid = left.name.removeprefix(prefix)
        if pid.isdigit() and not _alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
