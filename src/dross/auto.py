"""Which detector `auto` takes, by kind and size of the data."""

from __future__ import annotations

__all__ = ["choose_detector"]


def choose_detector(family: str, shape: tuple[int, ...]) -> str:
    """Return the registered name of the detector for data of a family and shape.

    The rule was made on development draws; docs/choices.md has the numbers.

    Examples
    --------
    >>> choose_detector("table", (569, 30))
    'isolation_forest'
    """
    del shape
    return {"table": "isolation_forest", "image": "pca", "text": "knn"}[family]
