"""Model files: a zip of JSON and safetensors with a format version; loading never unpickles."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from dross.errors import InputError, ModelFileError
from dross.estimator_file import check_zip

__all__ = ["FORMAT_VERSION", "read_model_file", "write_model_file"]

FORMAT_VERSION = 1
_VALUES = "model.json"
_ARRAYS = "arrays.safetensors"
_FORMAT = "dross-model"


def write_model_file(path: Path, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write ``model.json`` and ``arrays.safetensors`` into one zip.

    The zip stores, it does not compress: arrays of floats hardly shrink, and the same model gives the same
    bytes (no time stamps).
    """
    about = {"format": _FORMAT, "format_version": FORMAT_VERSION, **values}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        # Without indents: json's fast encoder knows none, and a table may have thousands of columns.
        archive.writestr(zipfile.ZipInfo(_VALUES), json.dumps(about, allow_nan=False, ensure_ascii=False))
        archive.writestr(zipfile.ZipInfo(_ARRAYS), save_arrays(contiguous))


def read_model_file(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the values and arrays of a model file.

    Raises
    ------
    InputError
        If there is no such file.
    ModelFileError
        If it is no model, damaged, newer than this version reads, or unsafe.
    """
    if not path.is_file():
        raise InputError(f"There is no model file {str(path)!r}; `dross find` writes one as model.dross.")
    with path.open("rb") as file, check_zip(file, str(path)) as archive:
        values = _read_values(archive, path)
        version = values["format_version"]
        if not isinstance(version, int) or version < 1 or version > FORMAT_VERSION:
            raise ModelFileError(
                f"{path} has model format {version}, this dross reads up to {FORMAT_VERSION}: update dross."
            )
        try:
            arrays = load_arrays(archive.read(_ARRAYS))
        except (SafetensorError, KeyError, zipfile.BadZipFile, ValueError, TypeError, EOFError) as error:
            raise ModelFileError(f"{path} is damaged: its arrays cannot be read ({error}).") from None
    return values, arrays


def _read_values(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    try:
        values = json.load(io.TextIOWrapper(archive.open(_VALUES), encoding="utf-8"))
    except (KeyError, ValueError, zipfile.BadZipFile, EOFError, RecursionError):
        raise ModelFileError(f"{path} is no dross model: it has no readable {_VALUES}.") from None
    if not isinstance(values, dict) or values.get("format") != _FORMAT or "format_version" not in values:
        raise ModelFileError(f"{path} is no dross model: its {_VALUES} does not say so.")
    return values
