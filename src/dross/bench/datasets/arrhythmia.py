"""Arrhythmia: 452 patients, 274 numbers of their electrocardiograms; labels "normal" and "anomalous".

The UCI file has 279 numbers and a class from 1 to 16. As in the ODDS version, the five columns with missing
values are dropped, and the classes 3, 4, 5, 7, 8, 9, 14 and 15, the small ones, are anomalous: 66 rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dross.bench.datasets.base import ArrayRows, Data, Dataset, Layout
from dross.bench.datasets.files import read_npz
from dross.errors import InputError
from dross.sources.streams import damage_named

__all__ = ["ARRHYTHMIA"]

_INCOMPLETE = slice(10, 15)
_ANOMALOUS = (3, 4, 5, 7, 8, 9, 14, 15)


def _read_odds(place: Path) -> Data:
    X, y = read_npz(place / "arrhythmia.npz", "X", "y")
    if X.ndim != 2 or X.shape[1] != 274:
        raise InputError(f"{place / 'arrhythmia.npz'} has an X of shape {X.shape}; needed is (n, 274).")
    return Data(ArrayRows(X.astype(np.float32)), np.where(y == 1, "anomalous", "normal"))


def _read_uci(place: Path) -> Data:
    path = place / "arrhythmia.data"
    with damage_named(path):
        lines = path.read_text("ascii").replace("?", "nan").split()
        values = np.array([line.split(",") for line in lines], np.float64)
        if values.ndim != 2 or values.shape[1] != 280:
            raise InputError(f"{path} has no lines of 280 values: 279 numbers and the class.")
    X = np.delete(values[:, :-1], _INCOMPLETE, axis=1)
    if np.isnan(X).any():
        raise InputError(f"{path} is damaged: values are missing outside its columns 11 to 15.")
    is_anomaly = np.isin(values[:, -1], _ANOMALOUS)
    return Data(ArrayRows(X.astype(np.float32)), np.where(is_anomaly, "anomalous", "normal"))


ARRHYTHMIA = Dataset(
    name="arrhythmia",
    title="Arrhythmia",
    kind="table",
    layouts=(
        Layout(("arrhythmia.npz",), _read_odds),
        Layout(("arrhythmia.data",), _read_uci, ("", "arrhythmia")),
    ),
    source="https://archive.ics.uci.edu/dataset/5/arrhythmia",
    licence="CC BY 4.0",
)
