"""Which detector `auto` takes, by the family of the data."""

from __future__ import annotations

__all__ = ["choose_detector"]

_CHOICE = {"table": "guarded_forest", "image": "isolation_forest", "text": "ocsvm"}


def choose_detector(family: str) -> str:
    """Return the registered name of the detector for a family of data.

    Chosen by their mean on the development draws of the family (docs/choices.md). All keep a bounded number
    of rows, so that size decides nothing.

    Examples
    --------
    >>> choose_detector("table")
    'guarded_forest'
    """
    return _CHOICE[family]
