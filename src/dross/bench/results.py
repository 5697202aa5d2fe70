"""Results on disk: one line of JSON per cell, so that a killed run loses at most the cell it was at."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dross.errors import InputError

__all__ = ["Results"]


class Results:
    """The results folder: a file per experiment and data set, a line per cell: values and what they hang on.

    Lines are only ever appended; the last one of a key counts, but a failure replaces no value. Several runs
    may write at once. A line cut short by a kill is passed over.

    Parameters
    ----------
    folder : Path
        Made when the first result is written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     results = Results(Path(folder))
    ...     results.add({"key": "a", "experiment": "kdd", "auroc": 0.9})
    ...     results.load()["a"]["auroc"]
    0.9
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, record: dict[str, Any]) -> None:
        """Append one cell and have the disk keep it."""
        with self._locked(), (self.folder / _file_name(record)).open("a+b") as file:
            line = _line(record)
            if file.seek(0, os.SEEK_END) and not _ends_line(file):
                line = "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    def load(self) -> dict[str, dict[str, Any]]:
        """Return the records by key, the latest of each.

        Raises
        ------
        InputError
            If a file cannot be read.
        """
        records: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror}.") from error
            records |= _latest(lines)
        return records

    def compact(self) -> None:
        """Drop the lines that later ones replaced."""
        with self._locked():
            for path in sorted(self.folder.glob("*.jsonl")):
                lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
                kept = _latest(lines)
                if len(kept) < len(lines):
                    new = path.with_suffix(".tmp")
                    with new.open("w", encoding="utf-8") as file:
                        file.writelines(map(_line, kept.values()))
                        file.flush()
                        os.fsync(file.fileno())
                    new.replace(path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _file_name(record: dict[str, Any]) -> str:
    """Return ``<experiment>-<data>.jsonl``; without the data where an experiment has but one set.

    >>> _file_name({"experiment": "rsrae", "setting": {"data": "reuters", "ratio": 0.1}})
    'rsrae-reuters.jsonl'
    """
    data = record.get("setting", {}).get("data")
    return f"{record['experiment']}-{data}.jsonl" if data else f"{record['experiment']}.jsonl"


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, ensure_ascii=False) + "\n"


def _ends_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    ends = file.read(1) == b"\n"
    file.seek(0, os.SEEK_END)
    return bool(ends)


def _latest(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    latest: dict[str, dict[str, Any]] = {}
    for record in _parsed(lines):
        if "values" in record or "values" not in latest.get(record["key"], {}):
            latest[record["key"]] = record
    return latest


def _parsed(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "key" in record and "experiment" in record:
            yield record
