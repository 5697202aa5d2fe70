"""The state of an unfinished training on disk: safetensors and JSON, no pickle."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dross.errors import InputError

__all__ = ["CHECKPOINT_FILES", "Checkpoint", "write_atomically"]

CHECKPOINT_FILES = ("training.safetensors", "about.json")
_FILE, _ABOUT = CHECKPOINT_FILES


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@dataclass
class Checkpoint:
    """One training state in a folder, keyed by a hash of data and parameters.

    Parameters
    ----------
    folder
        Made at the first save. It goes when `Findings.save` puts a whole result in the place of its parent.
    key
        Hash of data and parameters; a state with another key is refused.
    suffix
        Of the file names, where several states share the folder.
    whole
        Of what this is a part, see `part`.

    Attributes
    ----------
    resumed_from_epoch : int or None
        Where training went on; None if it began anew.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> checkpoint = Checkpoint(Path(tempfile.mkdtemp()) / "checkpoint", key="abc")
    >>> checkpoint.load() is None
    True
    >>> checkpoint.save({"epoch": 3}, {"weight": np.ones(2, np.float32)})
    >>> values, arrays = checkpoint.load()
    >>> values["epoch"], arrays["weight"].tolist()
    (3, [1.0, 1.0])
    """

    folder: Path
    key: str
    suffix: str = ""
    whole: Checkpoint | None = None
    resumed_from_epoch: int | None = field(default=None, init=False)

    def part(self, name: str) -> Checkpoint:
        """Return a checkpoint in the same folder, of something that is trained first."""
        return Checkpoint(self.folder, self.key, suffix=f".{name}", whole=self)

    def mark_resumed(self, epoch: int = 0) -> None:
        """Note at which epoch training went on; for the whole a part's are all before its first."""
        self.resumed_from_epoch = epoch
        if self.whole is not None:
            self.whole.mark_resumed()

    def save(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Replace the state in one step: values and arrays travel in one file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._drop_others()
        about = {"key": self.key, "values": json.dumps(values)}
        write_atomically(self.folder / (_FILE + self.suffix), save(arrays, metadata=about))
        readable = json.dumps({"key": self.key, **values}, indent=2)
        write_atomically(self.folder / (_ABOUT + self.suffix), readable.encode())

    def _drop_others(self) -> None:
        """Remove what an earlier run of other data or parameters left: it would stand in this one's way."""
        for path in self.folder.glob(f"{_FILE}*"):
            if path.is_file() and _key(path) != self.key:
                path.unlink()
                path.with_name(path.name.replace(_FILE, _ABOUT)).unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Return the state, or None if there is none.

        Raises
        ------
        InputError
            If the state belongs to other data, features or parameters, or the file is damaged.
        """
        path = self.folder / (_FILE + self.suffix)
        if not path.exists():
            return None
        data = path.read_bytes()
        try:
            about = _metadata(data)
            key, values = about["key"], json.loads(about["values"])
            arrays = load(data)
        except (SafetensorError, ValueError, KeyError, TypeError, struct.error) as error:
            raise InputError(
                f"The checkpoint {path} is damaged ({error}); remove it or run without --resume."
            ) from None
        if key != self.key:
            raise InputError(
                f"The checkpoint in {self.folder} is of other data, features or parameters; "
                "run without --resume to start anew, or repeat the command it was made with."
            )
        return values, arrays


def _key(path: Path) -> str | None:
    """Return the key of a state, without reading it; None if it is damaged."""
    try:
        with path.open("rb") as file:
            length = file.read(8)
            n_bytes = min(struct.unpack("<Q", length)[0], path.stat().st_size)
            return _metadata(length + file.read(n_bytes))["key"]
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def _metadata(data: bytes) -> dict[str, str]:
    """Return the metadata of a safetensors file: 8 bytes of length, then a JSON header."""
    (length,) = struct.unpack("<Q", data[:8])
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata
