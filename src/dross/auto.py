"""Which features and which detector `auto` takes, by the family of the data."""

from __future__ import annotations

__all__ = ["choose_detector", "choose_features"]

_DETECTORS = {
    "table": "guarded_forest",
    "image": "isolation_forest",
    "text": "ocsvm",
    "video": "knn",
    "vectors": "knn",
}
_OF_VECTORS = "knn"
_REASONS = {
    "table": "tables are encoded column by column",
    "image": "on the development draws no features that can be learnt here without labels rank better",
    "text": "TF-IDF needs no download; a text encoder is named with pretrained:NAME",
    "vectors": "the rows are features already",
    "video": "what a clip shows and what moves in it needs no weights; C3D takes a file of them: c3d:FILE",
}


def choose_features(family: str) -> tuple[str, str]:
    """Return the features for a family of data, and why, in words for the user.

    Only what needs no download is chosen by itself; see docs/choices.md.

    Examples
    --------
    >>> choose_features("table")
    ('raw', 'tables are encoded column by column')
    """
    return "raw", _REASONS[family]


def choose_detector(family: str, features: str = "raw") -> str:
    """Return the registered name of the detector for a family of data, and for the features made of it.

    Chosen by their mean on the development draws of the family (docs/choices.md). All keep a bounded number
    of rows, so that size decides nothing.

    Examples
    --------
    >>> choose_detector("table")
    'guarded_forest'
    """
    return _DETECTORS[family] if features == "raw" else _OF_VECTORS
