"""Which features and which detector `auto` takes, by the family of the data."""

from __future__ import annotations

import os

from dross.features.at_hand import VARIABLE, text_encoder

__all__ = ["choose_detector", "choose_features"]

_DETECTORS = {
    "table": "guarded_forest",
    "image": "isolation_forest",
    "text": "ocsvm",
    "video": "knn",
    "vectors": "knn",
}
_OF_VECTORS, _OF_TEXT_VECTORS = "knn", "isolation_forest"
_REASONS = {
    "table": "tables are encoded column by column",
    "image": "on the development draws no features that can be learnt here without labels rank better",
    "vectors": "the rows are features already",
    "video": "what a clip shows and what moves in it needs no weights; C3D takes a file of them: c3d:FILE",
}
_MOST_ENCODED = 5_000  # some minutes of one core


def choose_features(family: str, n_rows: int) -> tuple[str, str]:
    """Return the features for a family of data, as `build_features` takes them, and why, for the user.

    Nothing is downloaded that was not named; see docs/choices.md.

    Parameters
    ----------
    family : str
        Of the source.
    n_rows : int

    Raises
    ------
    InputError
        ``DROSS_TEXT_ENCODER`` names a folder that is not there.

    Examples
    --------
    >>> choose_features("table", 100)
    ('raw', 'tables are encoded column by column')
    """
    if family != "text":
        return "raw", _REASONS[family]
    encoder = text_encoder()
    named = os.environ.get(VARIABLE)
    if encoder is None:
        why = f"{VARIABLE} is empty" if named == "" else "no text encoder was found"
        return "raw", f"TF-IDF, as {why}; one is named with pretrained:ENCODER"
    spec = f"pretrained:{encoder}"
    if n_rows > _MOST_ENCODED:
        return "raw", f"TF-IDF, as more than {_MOST_ENCODED:,} texts take long to encode; {spec} does it"
    if named is not None:
        return spec, f"named by {VARIABLE}"
    return spec, "found on this machine; on the development draws it ranks better than TF-IDF"


def choose_detector(family: str, features: str = "raw") -> str:
    """Return the registered name of the detector for a family of data, and for the features made of it.

    Chosen by their mean on the development draws of the family (docs/choices.md). All keep a bounded number
    of rows, so that size decides nothing.

    Examples
    --------
    >>> choose_detector("table")
    'guarded_forest'
    """
    if features == "raw":
        return _DETECTORS[family]
    return _OF_TEXT_VECTORS if family == "text" else _OF_VECTORS
