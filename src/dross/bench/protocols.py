"""Seeded draws of contaminated data: which rows are fitted, which are scored, and a sentence that says so.

A share is of the total everywhere. Papers that count anomalies per normal row (RSRAE, LFR) give a ratio c;
`share_of_ratio` converts. Four protocols exist, and their numbers are never to be compared:

a. `transductive_by_ratio`: one class, and c times as many others; the training rows are scored (RSRAE, LFR);
b. `transductive_by_share`: the same by the share of the total (E3Outlier, train and test images merged);
c. `inductive`: contaminated training rows, other rows are scored (DUAD on KDD, joint-encoder GAN, Toll);
d. `transductive_by_counts`: stated numbers of normal rows and anomalies, the training rows are scored (DUAD
   on images).

Every function is pure: rows in, rows out, equal for equal seeds. The rows of a draw are shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dross.errors import ParameterError

__all__ = [
    "Draw",
    "inductive",
    "random_test_rows",
    "ratio_of_share",
    "share_of_ratio",
    "transductive_by_counts",
    "transductive_by_ratio",
    "transductive_by_share",
]

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """Row numbers of a data set.

    Attributes
    ----------
    train : int array
        Rows to fit, anomalies among them.
    scored : int array
        Rows to score; the very rows of `train` in a transductive draw.
    sentence : str
        What was drawn, for people.
    validation : int array or None
        Rows kept for methods whose own protocol picks something by labels; others never see them.
    """

    train: Indices
    scored: Indices
    sentence: str
    validation: Indices | None = None

    @property
    def is_transductive(self) -> bool:
        """Whether the training rows are the scored ones."""
        return self.scored is self.train

    def thinned(self, n: int) -> Draw:
        """Return the first `n` rows of each part; they are in random order."""
        train = self.train[:n]
        return replace(
            self,
            train=train,
            scored=train if self.is_transductive else self.scored[:n],
            sentence=f"{self.sentence} Of these at most {n} rows.",
            validation=None if self.validation is None else self.validation[:n],
        )


def share_of_ratio(ratio: float) -> float:
    """Return the share of the total that ``ratio`` anomalies per normal row make.

    Examples
    --------
    >>> round(share_of_ratio(0.9), 3)
    0.474
    """
    return ratio / (1 + ratio)


def ratio_of_share(share: float) -> float:
    """Return how many anomalies per normal row make this share of the total.

    Examples
    --------
    >>> ratio_of_share(0.2)
    0.25
    """
    return share / (1 - share)


def transductive_by_ratio(
    normal: Indices, anomalies: Indices, *, ratio: float, seed: int, n_normal: int | None = None
) -> Draw:
    """Draw normal rows and ``ratio`` times as many anomalies; all are fitted and scored (protocol a).

    Parameters
    ----------
    normal, anomalies : int array
        Rows to draw from.
    ratio : float
        Anomalies per normal row.
    n_normal : int, optional
        How many normal rows; by default all.

    Raises
    ------
    ParameterError
        If there are too few rows for the draw.

    Examples
    --------
    >>> draw = transductive_by_ratio(np.arange(100), np.arange(100, 300), ratio=0.5, seed=0)
    >>> len(draw.train), int((draw.train >= 100).sum())
    (150, 50)
    """
    n_normal = len(normal) if n_normal is None else n_normal
    return transductive_by_counts(
        normal, anomalies, n_normal=n_normal, n_anomalies=round(ratio * n_normal), seed=seed
    )


def transductive_by_share(
    normal: Indices, anomalies: Indices, *, share: float, seed: int, n_normal: int | None = None
) -> Draw:
    """Draw normal rows, and anomalies for ``share`` of the total; all are fitted and scored (protocol b).

    Parameters and errors as in `transductive_by_ratio`.

    Examples
    --------
    >>> draw = transductive_by_share(np.arange(90), np.arange(90, 300), share=0.1, seed=0)
    >>> len(draw.train)
    100
    """
    return transductive_by_ratio(normal, anomalies, ratio=ratio_of_share(share), seed=seed, n_normal=n_normal)


def transductive_by_counts(
    normal: Indices,
    anomalies: Indices,
    *,
    n_normal: int,
    n_anomalies: int,
    seed: int,
    classes: NDArray[np.generic] | None = None,
) -> Draw:
    """Draw stated numbers of rows; all are fitted and scored (protocol d).

    Parameters
    ----------
    normal, anomalies : int array
        Rows to draw from.
    n_normal, n_anomalies : int
        How many of each.
    classes : array, same length as ``anomalies``, optional
        Class of each anomaly: then they come evenly from the classes, as far as the number divides.

    Raises
    ------
    ParameterError
        If there are too few rows for the draw.
    """
    rng = np.random.default_rng(seed)
    drawn = _draw(rng, normal, n_normal, "normal rows")
    if classes is None:
        others, evenly = _draw(rng, anomalies, n_anomalies, "anomalies"), ""
    else:
        others, evenly = _draw_evenly(rng, anomalies, n_anomalies, classes), ", evenly from their classes"
    rows = rng.permutation(np.concatenate([drawn, others]))
    sentence = f"{_mixture(n_normal, n_anomalies)}{evenly}; the training rows are scored."
    return Draw(rows, rows, sentence)


def random_test_rows(n: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which of ``n`` rows are the test rows: ``share`` of them at random.

    Examples
    --------
    >>> int(random_test_rows(10, 0.5, seed=0).sum())
    5
    """
    is_test = np.zeros(n, bool)
    is_test[np.random.default_rng(seed).permutation(n)[: round(share * n)]] = True
    return is_test


def inductive(
    normal: Indices,
    anomalies: Indices,
    is_test: NDArray[np.bool_],
    *,
    share: float,
    seed: int,
    n_train: int | None = None,
    n_test: int | None = None,
    n_validation: int = 0,
) -> Draw:
    """Draw contaminated training rows from one part of the data, and score rows of the other (protocol c).

    Parameters
    ----------
    normal, anomalies : int array
        Rows to draw from.
    is_test : bool array over the data set
        Which rows may only be scored: the data set's own split, or `random_test_rows`.
    share : float in [0, 0.5]
        Share of anomalies among the training rows; 0 trains on normal rows only. If there are too few
        anomalies for it, all there are are taken, and the sentence says what share that makes.
    n_train : int, optional
        At most so many normal training rows.
    n_test : int, optional
        At most so many test rows of each side, equally many of both; by default all.
    n_validation : int
        Rows of the training part, normal or not, that are held out first.

    Raises
    ------
    ParameterError
        If no normal row is left to train on.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.concatenate([normal, anomalies]))
    held_out, usable = rows[is_test[rows]], rows[~is_test[rows]]
    validation, usable = usable[:n_validation], usable[n_validation:]
    is_anomaly = np.zeros(len(is_test), bool)
    is_anomaly[anomalies] = True
    train_normal = usable[~is_anomaly[usable]][:n_train]
    if len(train_normal) == 0:
        raise ParameterError(
            f"The draw leaves no normal row to train on: {_count(len(validation))} rows are for validation."
        )
    n_wanted = round(ratio_of_share(share) * len(train_normal))
    train_anomalies = usable[is_anomaly[usable]][:n_wanted]
    train = rng.permutation(np.concatenate([train_normal, train_anomalies]))
    parts = [held_out[~is_anomaly[held_out]], held_out[is_anomaly[held_out]]]
    if n_test is not None:
        parts = [part[: min(n_test, *map(len, parts))] for part in parts]
    scored = rng.permutation(np.concatenate(parts))
    sentence = (
        f"Trained on {_mixture(len(train_normal), len(train_anomalies))}; "
        f"scored are {_count(len(parts[0]))} other normal rows and {_count(len(parts[1]))} anomalies."
    )
    return Draw(train, scored, sentence, validation if n_validation else None)


def _draw(rng: np.random.Generator, rows: Indices, n: int, what: str) -> Indices:
    if n > len(rows):
        raise ParameterError(f"The draw needs {_count(n)} {what}, but the data has {_count(len(rows))}.")
    return rng.choice(rows, n, replace=False)


def _draw_evenly(rng: np.random.Generator, rows: Indices, n: int, classes: NDArray[np.generic]) -> Indices:
    names = np.unique(classes)
    each, rest = divmod(n, len(names))
    more = rng.permutation(len(names)) < rest  # which classes give the remainder
    return np.concatenate(
        [
            _draw(rng, rows[classes == name], each + int(extra), f"anomalies of class {name}")
            for name, extra in zip(names, more, strict=True)
        ]
    )


def _mixture(n_normal: int, n_anomalies: int) -> str:
    share = n_anomalies / max(1, n_normal + n_anomalies)
    return f"{_count(n_normal)} normal rows and {_count(n_anomalies)} anomalies ({share:.1%} of the total)"


def _count(n: int) -> str:
    return f"{n:,}".replace(",", " ")
