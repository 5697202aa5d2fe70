"""scikit-learn estimators as bytes, through skops with a fixed allow-list: nothing is unpickled."""

from __future__ import annotations

import io
import sys
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dross.errors import ModelFileError

__all__ = ["dump_estimator", "load_estimator"]

_TRUSTED = [
    "sklearn.metrics._dist_metrics.EuclideanDistance32",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
]
"""What the registered detectors hold beyond the types that skops trusts by itself."""

MAX_BYTES = 4 * 2**30
"""Unpacked size beyond which a model file is refused: the largest detectors keep 20 000 rows."""


def dump_estimator(estimator: Any) -> NDArray[np.uint8]:
    """Return a fitted scikit-learn estimator as an array of bytes."""
    return np.frombuffer(_skops().dumps(estimator), np.uint8)


def load_estimator(data: NDArray[np.uint8]) -> Any:
    """Return the estimator that `dump_estimator` stored.

    Raises
    ------
    ModelFileError
        If it holds a class that is not on the allow-list, or unpacks to an absurd size.
    """
    raw = data.tobytes()
    check_zip(io.BytesIO(raw), "the stored estimator")
    skops = _skops()
    foreign = sorted(set(skops.get_untrusted_types(data=raw)) - set(_TRUSTED))
    if foreign:
        raise ModelFileError(
            f"The model file holds foreign classes ({', '.join(foreign)}); it is not loaded."
        )
    return skops.loads(raw, trusted=_TRUSTED)


def _skops() -> Any:
    """Import skops when an estimator is stored or loaded, and without torch.

    skops imports all of scikit-learn to list its estimators, a helper for torch among it, which would cost
    seconds that no shallow detector has a use for. That walk passes over what cannot be imported.
    """
    helper = "sklearn.externals.array_api_compat.torch"
    hidden = sys.modules.setdefault(helper, None) is None  # type: ignore[arg-type]
    try:
        import skops.io
    finally:
        if hidden:
            del sys.modules[helper]
    return skops.io


def check_zip(file: Any, name: str) -> zipfile.ZipFile:
    """Open a zip after checking its members' names and sizes."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise ModelFileError(f"{name} is no dross model: not a zip archive, or cut short.") from None
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ModelFileError(
                f"{name} holds the compressed or encrypted member {member.filename!r}, which dross never "
                "writes; it is not loaded."
            )
        path = member.filename.replace("\\", "/")
        if path.startswith("/") or ":" in path or ".." in path.split("/"):
            raise ModelFileError(
                f"{name} holds a member with the unsafe name {member.filename!r}; it is not loaded."
            )
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES:
        raise ModelFileError(
            f"{name} unpacks to {size / 2**30:.1f} GiB, more than the {MAX_BYTES >> 30} GiB allowed."
        )
    return archive
