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


def load_estimator(data: NDArray[np.uint8], expected: type) -> Any:
    """Return the estimator that `dump_estimator` stored.

    Parameters
    ----------
    data
        What `dump_estimator` returned.
    expected
        The class it must be of.

    Raises
    ------
    ModelFileError
        If it is of another class, holds one that is not on the allow-list, unpacks to an absurd size, or its
        parts point outside themselves.
    """
    raw = data.tobytes()
    check_zip(io.BytesIO(raw), "the stored estimator")
    skops = _skops()
    foreign = sorted(set(skops.get_untrusted_types(data=raw)) - set(_TRUSTED))
    if foreign:
        raise ModelFileError(
            f"the stored estimator holds foreign classes ({', '.join(foreign)}); it is not loaded."
        )
    estimator = skops.loads(raw, trusted=_TRUSTED)
    if type(estimator) is not expected:
        raise ModelFileError(
            f"the stored estimator is a {type(estimator).__name__}; {expected.__name__} is wanted."
        )
    _mend(estimator)
    return estimator


def _mend(estimator: Any) -> None:
    """Check or build anew what compiled code follows blindly: a crafted index would crash the process."""
    for tree in getattr(estimator, "estimators_", ()):
        nodes, children = tree.tree_, (tree.tree_.children_left, tree.tree_.children_right)
        inner = children[0] >= 0
        # Children come after their parents, so every walk ends.
        sound = all(
            ((c > np.arange(nodes.node_count)) & (c < nodes.node_count))[inner].all() for c in children
        )
        if not sound or not ((nodes.feature >= 0) & (nodes.feature < nodes.n_features))[inner].all():
            raise ModelFileError("the stored trees point outside themselves; they are not used.")
    if getattr(estimator, "_tree", None) is not None:
        estimator._tree = type(estimator._tree)(
            estimator._fit_X, leaf_size=estimator.leaf_size, metric=estimator.effective_metric_
        )
    if hasattr(estimator, "support_vectors_"):
        n_vectors, width = estimator.support_vectors_.shape
        counted = [*estimator.n_support_, estimator._dual_coef_.size]
        if counted != [n_vectors, n_vectors] or width != estimator.n_features_in_:
            raise ModelFileError("the stored support vectors do not fit each other; they are not used.")


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
