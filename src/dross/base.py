"""The contract of a detector: scikit-learn's outlier detector, plus `anomaly_score` and `explain`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from dross.errors import ParameterError
from dross.features.base import State
from dross.monitor import Monitor
from dross.rows import FiniteRows, Rows, batches, is_row_source, patches, sample_rows
from dross.thresholds import ShareEstimate, estimate_share, threshold_for_share

__all__ = ["BaseDetector", "check_share"]

_SCORE_BATCH_VALUES = 4_000_000
"""Values per scoring batch: 16 MiB of float32, small enough to stay out of the way, large enough for BLAS."""

_REFERENCE_ROWS = 10_000
_REFERENCE_VALUES = 16_000_000  # 128 MB of float64: fewer rows of large images
_FEWEST_REFERENCE_ROWS = 8
_MAX_CANDIDATES = 256
_PATCHES_PER_SIDE = 8
_SMOOTHING = 1 / 32  # deviation of the heat map's blur, of the image's side


def check_share(share: object) -> None:
    """Raise unless a contamination is "auto" or a share in (0, 0.5]."""
    is_number = isinstance(share, (int, float, np.integer, np.floating))
    if share != "auto" and not (is_number and 0 < share <= 0.5):  # type: ignore[operator]
        raise ParameterError(f"contamination is {share!r}; it must be 'auto' or a share in (0, 0.5].")


@dataclass(kw_only=True, eq=False, repr=False)
class BaseDetector(OutlierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base of every detector.

    A detector is a keyword-only dataclass: its fields are its parameters, `fit` only sets attributes that
    end in an underscore. Subclasses write `_fit` (learn from ``X``), `_score` (rows to scores),
    `_learned_state` and `_restore`.

    Parameters
    ----------
    contamination : "auto" or float in (0, 0.5], default "auto"
        Share of anomalies of the total; sets only the threshold, never the training. "auto" estimates it
        from the training scores, with an interval (see `dross.thresholds`).
    random_state : int, RandomState or None, default None
        Turned into one integer seed in `fit`; the caller's generators are left alone.

    Attributes
    ----------
    anomaly_scores_ : ndarray of shape (n,)
        Scores of the training rows, higher = more anomalous.
    contamination_ : float
        The share used: the one given, or the estimate.
    contamination_interval_ : tuple of two floats
        Its 90 % interval; both ends equal the share if it was given.
    offset_ : float
        ``-threshold``: ``decision_function(X) = score_samples(X) - offset_``; below 0 is an anomaly.
    input_shape_ : tuple of int
        Shape of one row, ``(d,)`` or ``(c, h, w)``.
    reference_ : ndarray of shape input_shape_
        Feature-wise median of the training rows (of 10 000 of them, if there are more).
    """

    input_kinds: ClassVar[frozenset[str]] = frozenset({"table", "image"})
    """What the detector takes: 2-D rows ("table"), 4-D rows ("image"), or both."""

    _monitor: ClassVar[Monitor] = Monitor()

    contamination: float | Literal["auto"] = "auto"
    random_state: int | np.random.RandomState | None = None

    # ------------------------------------------------------------------ public

    def fit(self, X: Rows, y: object = None) -> Self:
        """Learn from contaminated rows and set the threshold.

        Parameters
        ----------
        X : array of shape (n, d) or (n, c, h, w), or a `RowSource`
            The rows, anomalies among them.
        y : ignored
            Present for scikit-learn's sake; labels never reach a fit.

        Returns
        -------
        self
        """
        self.check_parameters()
        X = self._validate(X, reset=True)
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.input_shape_ = tuple(X.shape[1:])
        self.n_training_rows_ = len(X)
        # Rows that float32 cannot hold are taken about the median, and then new ones of any type too.
        self._is_wide = bool(np.result_type(X.dtype, np.float32) == np.float64)
        most = max(_FEWEST_REFERENCE_ROWS, _REFERENCE_VALUES // int(np.prod(self.input_shape_)))
        kept = sample_rows(len(X), min(_REFERENCE_ROWS, most), self.seed_)
        self.reference_: NDArray[Any] = np.median(np.asarray(X[kept], np.float64), axis=0)
        self._fit(X)
        self.anomaly_scores_ = self._training_scores(X)
        self._set_threshold()
        return self

    def anomaly_score(self, X: Rows) -> NDArray[np.float64]:
        """Return the score of each row, higher = more anomalous.

        A row's score depends on the model and the row alone, never on the rows scored with it.

        Returns
        -------
        ndarray of shape (n,), float64
        """
        check_is_fitted(self)
        return self._score_all(self._validate(X, reset=False))

    def score_samples(self, X: Rows) -> NDArray[np.float64]:
        """Return ``-anomaly_score(X)``: scikit-learn's direction, lower = more anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Rows) -> NDArray[np.float64]:
        """Return ``score_samples(X) - offset_``: negative for anomalies."""
        return self.score_samples(X) - float(self.offset_)

    def predict(self, X: Rows) -> NDArray[np.int64]:
        """Return +1 for normal rows and -1 for anomalies, shape (n,)."""
        return np.where(self.decision_function(X) < 0, np.int64(-1), np.int64(1))

    def explain(self, X: Rows, groups: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return what each group of features adds to the score of each row.

        The larger of what the score loses when the group takes its training median (`reference_`), and what
        the median row gains when it takes the group: the first hides behind other odd groups, the second sees
        no odd combination. So reasons come from the detector and not from column statistics. For images the
        error per pixel, where the method has one. Only for a few rows: it costs two scorings per group. Of
        more than 256 groups the 256 furthest from the median are tried.

        Parameters
        ----------
        X : array of shape (m, d) or (m, c, h, w)
        groups : int array of shape (d,), optional
            Feature -> group, for tables only; by default each feature is its own group.

        Returns
        -------
        ndarray of shape (m, n_groups), or (m, h, w) for images
            In the unit of the score; higher = adds more, below 0 = makes the row look more normal.
        """
        check_is_fitted(self)
        X = np.asarray(self._validate(X, reset=False)[:])
        if X.dtype not in (np.float32, np.float64):
            X = X.astype(np.float64)
        if X.ndim == 4:
            errors = self._error_map(X)
            heat = self._explain_images(X) if errors is None else errors
            # A finding is larger than a pixel: the noise of single ones would drown it.
            height, width = X.shape[2:]
            return np.asarray(gaussian_filter(heat, (0, height * _SMOOTHING, width * _SMOOTHING)))
        groups = np.arange(X.shape[1]) if groups is None else np.asarray(groups)
        return self._explain_table(X, groups)

    def check_parameters(self) -> None:
        """Raise a `ParameterError` if a parameter is out of range, as `fit` does."""
        check_share(self.contamination)
        self._check_parameters()

    def fit_predict(self, X: Rows, y: object = None) -> NDArray[np.int64]:
        """Fit, and return +1 for normal rows and -1 for anomalies by ``anomaly_scores_``, shape (n,).

        Where these leave the row itself out, ``fit(X).predict(X)``, which takes the rows for new ones, flags
        fewer.
        """
        self.fit(X, y)
        return np.where(self.anomaly_scores_ > -self.offset_, np.int64(-1), np.int64(1))

    def set_monitor(self, monitor: Monitor) -> Self:
        """Report progress to ``monitor``, and keep and take checkpoints there. Returns self."""
        self._monitor = monitor  # type: ignore[misc]
        return self

    def get_state(self) -> State:
        """Return everything learned as JSON-able values and arrays: no pickle, see `dross.model_file`."""
        check_is_fitted(self)
        values, arrays = self._learned_state()
        values["base"] = {
            "input_shape": list(self.input_shape_),
            "n_training_rows": self.n_training_rows_,
            "is_wide": self._is_wide,
            "seed": self.seed_,
            "offset": self.offset_,
            "contamination": self.contamination_,
            "contamination_interval": list(self.contamination_interval_),
        }
        return values, arrays | {"reference": self.reference_}

    def set_state(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned; scores are then equal to the bit."""
        base = values["base"]
        self.input_shape_ = tuple(base["input_shape"])
        if len(self.input_shape_) == 1:
            self.n_features_in_ = self.input_shape_[0]
        self.n_training_rows_ = base["n_training_rows"]
        self._is_wide = base["is_wide"]
        self.seed_ = base["seed"]
        self.offset_ = base["offset"]
        self.contamination_ = base["contamination"]
        self.contamination_interval_ = tuple(base["contamination_interval"])
        self.reference_ = arrays["reference"]
        self.share_estimate_: ShareEstimate | None = None
        self._restore(values, arrays)
        return self

    # ------------------------------------------------------- for subclasses

    @abstractmethod
    def _fit(self, X: Rows) -> None:
        """Learn from validated rows; `seed_` and `input_shape_` are set."""

    @abstractmethod
    def _score(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Score one batch of validated rows."""

    @abstractmethod
    def _learned_state(self) -> State:
        """Return what `_fit` learned."""

    @abstractmethod
    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `_learned_state` returned."""

    def _check_parameters(self) -> None:
        """Raise for parameters out of range; the base has none of its own but the share."""

    def _training_scores(self, X: Rows) -> NDArray[np.float64]:
        """Score the training rows; methods that keep rows leave the row itself out here."""
        return self._score_all(X)

    def _error_map(self, X: NDArray[Any]) -> NDArray[np.float64] | None:
        """Return the error per pixel ``(m, h, w)`` of a method that reconstructs its images, else None."""
        return None

    # -------------------------------------------------------------- private

    def _validate(self, X: Rows, *, reset: bool) -> Rows:
        if not is_row_source(X):
            X = self._validate_array(X, reset=reset)
        elif {2: "table", 4: "image"}.get(len(X.shape)) not in self.input_kinds:
            raise ValueError(f"{type(self).__name__} takes other rows than these, of shape {tuple(X.shape)}.")
        if not reset and tuple(X.shape[1:]) != self.input_shape_:
            got, fitted = (", ".join(map(str, shape)) for shape in (X.shape, ("n", *self.input_shape_)))
            raise ValueError(f"X has shape ({got}), but {type(self).__name__} was fitted with ({fitted}).")
        return X if isinstance(X, np.ndarray | FiniteRows) else FiniteRows(X)

    def _validate_array(self, X: Any, *, reset: bool) -> NDArray[Any]:
        if getattr(X, "ndim", 2) == 4:
            if "image" not in self.input_kinds:
                raise ValueError(f"{type(self).__name__} takes rows of shape (n, d), got 4-D images.")
            if 0 in X.shape[1:]:
                raise ValueError(f"Images of shape {tuple(X.shape[1:])} have no pixels.")
            return np.asarray(
                check_array(X, allow_nd=True, dtype="numeric", ensure_min_samples=2 if reset else 1)
            )
        if "table" not in self.input_kinds:
            raise ValueError(f"{type(self).__name__} takes images of shape (n, c, h, w), got {np.shape(X)}.")
        if not reset and len(self.input_shape_) == 3 and np.ndim(X) == 2:
            return np.asarray(X)  # the shape check that follows names both shapes
        return np.asarray(
            validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1)
        )

    def _score_all(self, X: Rows) -> NDArray[np.float64]:
        size = max(1, _SCORE_BATCH_VALUES // int(np.prod(self.input_shape_)))
        scores = np.empty(len(X))
        for part in batches(len(X), size):
            scores[part] = self._score(X[part])
        return scores

    def _set_threshold(self) -> None:
        scores = self.anomaly_scores_
        self.share_estimate_ = None
        if self.contamination == "auto":
            self.share_estimate_ = estimate = estimate_share(scores)
            self.contamination_ = estimate.share
            self.contamination_interval_ = estimate.interval
            self.offset_ = -estimate.threshold
        else:
            share = float(self.contamination)
            self.contamination_, self.contamination_interval_ = share, (share, share)
            self.offset_ = -threshold_for_share(scores, share)

    def _explain_table(self, X: NDArray[Any], groups: NDArray[np.int64]) -> NDArray[np.float64]:
        n_groups = int(groups.max()) + 1
        contributions = np.zeros((len(X), n_groups))
        reference = self.reference_.astype(X.dtype)
        base, normal = self._score_all(X), self._score_all(reference[None])[0]
        # Many rows are tried at once: scoring a few dozen rows costs mostly the call.
        size = max(1, _SCORE_BATCH_VALUES // (min(n_groups, _MAX_CANDIDATES) * X.shape[1]))
        for part in batches(len(X), size):
            rows, candidates = np.nonzero(_furthest_groups(np.abs(X[part] - reference), groups, n_groups))
            rows += part.start
            belongs = groups == candidates[:, None]
            without = base[rows] - self._score_all(np.where(belongs, reference, X[rows]))
            alone = self._score_all(np.where(belongs, X[rows], reference)) - normal
            contributions[rows, candidates] = np.maximum(without, alone)
        return contributions

    def _explain_images(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Lay the training median over overlapping patches; a pixel takes the sum over those that cover it.

        (A mean would favour the edges, where few patches overlap: their peaks are not averaged away.)
        """
        height, width = X.shape[2:]
        reference = self.reference_.astype(X.dtype)
        base = self._score_all(X)
        heat = np.zeros((len(X), height, width))
        for patch in patches(height, width, _PATCHES_PER_SIDE):
            patched = X.copy()
            patched[..., *patch] = reference[..., *patch]
            heat[:, *patch] += (base - self._score_all(patched))[:, None, None]
        return heat / 4


def _furthest_groups(distance: NDArray[Any], groups: NDArray[np.int64], n_groups: int) -> NDArray[np.bool_]:
    """Mark the groups ``(m, n_groups)`` whose replacement can change a row, the furthest if very many."""
    largest = np.zeros((n_groups, len(distance)))
    np.maximum.at(largest, groups, distance.T)
    is_candidate = largest.T > 0
    if n_groups > _MAX_CANDIDATES:
        nearest = np.argsort(-largest.T, axis=1, kind="stable")[:, _MAX_CANDIDATES:]
        np.put_along_axis(is_candidate, nearest, False, axis=1)
    return is_candidate
