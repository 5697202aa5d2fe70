"""The files of a pretrained encoder: where they lie, what they are, how they travel in a model file."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dross.errors import InputError, ModelFileError
from dross.features.base import State
from dross.features.cache import cache_root
from dross.sources.archives import name_trouble

__all__ = ["EncoderFiles", "file_sha256", "local_folder", "need"]

LARGEST_EMBEDDED = 100 * 1000 * 1000
"""Bytes; larger encoders are named in a model file with their checksums, smaller ones travel in it."""

_SUFFIXES = frozenset({".json", ".txt", ".safetensors", ".model"})


def need(package: str, extra: str) -> None:
    """Raise an `InputError` unless a package of an extra is installed."""
    if find_spec(package) is None:
        raise InputError(f"{package} is not installed, which this needs: pip install 'dross[{extra}]'.")


def file_sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_folder(name: str) -> Path | None:
    """Return the folder that is named, or None if there is none and it may be a hub id.

    Raises
    ------
    InputError
        There is none, and it is no hub id either.

    Examples
    --------
    >>> local_folder("sentence-transformers/all-MiniLM-L6-v2") is None
    True
    """
    folder = Path(os.path.expanduser(name))  # noqa: PTH111 - it leaves the homes of unknown users as they are
    if folder.is_dir():
        return folder
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise InputError(f"There is no folder {name}.")
    return None


@dataclass(frozen=True)
class EncoderFiles:
    """A folder as transformers or sentence-transformers save one, with the checksums of its files.

    Attributes
    ----------
    name : str
        Folder or hub id, as the user gave it.
    folder : Path
    checksums : dict
        Of everything that is read: configurations, weights as safetensors, vocabularies.
    """

    name: str
    folder: Path
    checksums: dict[str, str]

    @classmethod
    def open(cls, name: str, extra: str, *, fetch: bool = True) -> Self:
        """Find an encoder by folder, or by hub id in the local cache, else on the hub if it may be fetched.

        Raises
        ------
        InputError
            There is none, or it has no configuration or no weights as safetensors.
        """
        folder = local_folder(name) or _from_hub(name, extra, fetch)
        if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
            raise InputError(f"{folder} is no encoder: it has no config.json.")
        files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in _SUFFIXES)
        if not any(path.suffix == ".safetensors" for path in files):
            raise InputError(
                f"{folder} has no weights as .safetensors; pickled weights are never loaded, since that can "
                "run code."
            )
        return cls(name, folder, {p.relative_to(folder).as_posix(): file_sha256(p) for p in files})

    @property
    def fingerprint(self) -> str:
        """Digest of all files."""
        return _digest(self.checksums)

    def read_json(self, name: str) -> dict[str, Any]:
        """Return a configuration, {} if there is none."""
        path = self.folder / name
        if not path.is_file():
            return {}
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is damaged: {error}.") from None
        return values if isinstance(values, dict) else {}

    def get_state(self) -> State:
        """Return the files themselves, or their checksums if they are larger than 100 MB."""
        sizes = [(self.folder / name).stat().st_size for name in self.checksums]
        values = {"name": self.name, "checksums": self.checksums}
        if sum(sizes) > LARGEST_EMBEDDED:
            folder = local_folder(self.name)
            return values | {"name": self.name if folder is None else str(folder.resolve())}, {}
        return values, {f"file/{name}": np.fromfile(self.folder / name, np.uint8) for name in self.checksums}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]], extra: str) -> Self:
        """Take back what `get_state` returned.

        Raises
        ------
        InputError, ModelFileError
            The files are not there any more, or are others.
        """
        name, checksums = str(values["name"]), {str(k): str(v) for k, v in values["checksums"].items()}
        if arrays:
            return cls(name, _unpacked(checksums, arrays), checksums)
        found = cls.open(name, extra, fetch=False)  # what a file from elsewhere names is not downloaded
        if found.checksums != checksums:
            changed = sorted(set(found.checksums.items()) ^ set(checksums.items()))[0][0]
            raise ModelFileError(f"the encoder {name} is not the one fitted with: {changed} differs.")
        return found


def _digest(checksums: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()[:32]


def _from_hub(name: str, extra: str, fetch: bool) -> Path:
    need("huggingface_hub", extra)
    from huggingface_hub import snapshot_download

    patterns = [f"*{suffix}" for suffix in sorted(_SUFFIXES)]
    for local in (True, False) if fetch else (True,):
        try:
            folder = Path(snapshot_download(name, allow_patterns=patterns, local_files_only=local))
        except Exception:  # each way to have no connection or no such id has its own
            continue
        if not local or any(folder.rglob("*.safetensors")):  # a copy may hold the configurations alone
            return folder
    if not fetch:
        raise InputError(
            f"the encoder {name} is not in the hub's cache on this machine, and a model file has nothing "
            f"downloaded; if you trust it, fetch it with `hf download {name}`."
        )
    raise InputError(
        f"There is no folder {name}, and it cannot be fetched from the hub; put the encoder's files "
        "(config.json, *.safetensors, ...) into a folder and name that."
    )


def _unpacked(checksums: dict[str, str], arrays: dict[str, NDArray[Any]]) -> Path:
    """Write the files of a model file where they can be loaded from; once for each encoder."""
    for name in checksums:
        if name_trouble(name) or PurePosixPath(name).suffix not in _SUFFIXES:
            raise ModelFileError(f"its encoder has a file named {name!r}.")
    digest = _digest(checksums)
    target = cache_root() / "encoders" / digest
    if target.is_dir() and all(
        (target / name).is_file() and file_sha256(target / name) == checksum
        for name, checksum in checksums.items()
    ):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix="."))
    except OSError:  # as with vectors, it costs the cache alone
        target = Path(tempfile.mkdtemp(prefix="dross-encoder-")) / digest
        atexit.register(shutil.rmtree, target.parent, ignore_errors=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix="."))
    try:
        for name, checksum in checksums.items():
            content = arrays[f"file/{name}"].tobytes()
            if hashlib.sha256(content).hexdigest() != checksum:
                raise ModelFileError(f"its encoder's {name} is damaged.")
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(content)
        shutil.rmtree(target, ignore_errors=True)
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
