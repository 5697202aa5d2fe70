"""How well scores agree with known answers. Nothing here is used to fit, only to judge.

Anomalies are the positive class everywhere; higher scores are more anomalous.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from dross.errors import ParameterError
from dross.sources.base import Labels

__all__ = ["aupr", "auroc", "auroc_scorer", "evaluate"]


class _Scoring(Protocol):
    def anomaly_score(self, X: Any, /) -> NDArray[np.float64]: ...


def auroc(y: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the area under the ROC curve, or None where `y` holds one class only.

    Parameters
    ----------
    y
        ``(n,)``, true or 1 for anomalies.
    scores
        ``(n,)``, higher is more anomalous.

    Raises
    ------
    ParameterError
        If the two differ in length, `y` is not binary or a score is not finite.

    Examples
    --------
    >>> auroc([0, 0, 1], [0.1, 0.2, 0.9])
    1.0
    """
    truth, values = _checked(y, scores)
    return None if _one_class(truth) else float(roc_auc_score(truth, values))


def aupr(y: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the average precision with anomalies as the positive class, or None for one class only.

    Parameters and errors as in `auroc`.

    Examples
    --------
    >>> aupr([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    0.833...
    """
    truth, values = _checked(y, scores)
    return None if _one_class(truth) else float(average_precision_score(truth, values))


def auroc_scorer(estimator: _Scoring, X: Any, y: ArrayLike) -> float:
    """Score an estimator by AUROC; pass it as ``scoring=`` to scikit-learn's searches.

    Parameters
    ----------
    estimator
        Anything fitted that has ``anomaly_score(X)``.
    X
        Rows to score.
    y
        ``(n,)``, 1 for anomalies.

    Raises
    ------
    ParameterError
        If `y` holds one class only, or as in `auroc`.
    """
    value = auroc(y, estimator.anomaly_score(X))
    if value is None:
        raise ParameterError("y holds one class only; the AUROC needs normal rows (0) and anomalies (1)")
    return value


def evaluate(labels: Labels, scores: ArrayLike, flagged: ArrayLike) -> dict[str, Any]:
    """Compare scores and flags with known answers.

    Parameters
    ----------
    labels
        The known answers.
    scores
        ``(n,)``, higher is more anomalous.
    flagged
        ``(n,)`` bool (or 0 and 1), the rows called anomalies.

    Returns
    -------
    dict
        JSON-able: ``auroc`` and ``aupr`` (None where `labels` hold one class only), ``confusion`` with the
        counts ``tp, fp, fn, tn``, and ``n_anomalies``.

    Raises
    ------
    ParameterError
        If the lengths differ, `flagged` is not binary or a score is not finite.
    """
    truth, values = _checked(labels.is_anomaly, scores)
    called = _binary(flagged, "flagged")
    if called.shape != truth.shape:
        raise ParameterError(f"{len(called)} flags for {len(truth)} known answers; they must be equally many")
    confusion = {
        "tp": int(np.sum(called & truth)),
        "fp": int(np.sum(called & ~truth)),
        "fn": int(np.sum(~called & truth)),
        "tn": int(np.sum(~called & ~truth)),
    }
    return {
        "auroc": auroc(truth, values),
        "aupr": aupr(truth, values),
        "confusion": confusion,
        "n_anomalies": int(truth.sum()),
    }


def _checked(y: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    truth = _binary(y, "y")
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != truth.shape:
        raise ParameterError(f"scores have shape {values.shape}, known answers {truth.shape}: must agree")
    if not np.isfinite(values).all():
        raise ParameterError("scores hold NaN or infinite values; every row needs a finite score")
    return truth, values


def _binary(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        raise ParameterError(f"{name} must be one-dimensional and hold only 0 and 1 (1 = anomaly)")
    return array.astype(bool)


def _one_class(truth: NDArray[np.bool_]) -> bool:
    return truth.size == 0 or bool(truth.all()) or not truth.any()
