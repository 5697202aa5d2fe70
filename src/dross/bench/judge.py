"""What scores are worth, given the answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from dross.metrics import aupr, auroc

__all__ = ["judge"]


def judge(
    scores: NDArray[np.float64], is_anomaly: NDArray[np.bool_], flagged_share: float
) -> dict[str, float]:
    """Return AUROC, AUPR, and F1 with the given share flagged; empty where the rows are of one kind.

    Parameters
    ----------
    scores : float array of shape (n,)
        Higher = more anomalous.
    is_anomaly : bool array of shape (n,)
    flagged_share : float in (0, 1]
        The share of the total with the highest scores that F1 calls anomalous.

    Examples
    --------
    >>> judge(np.array([0.1, 0.9, 0.2]), np.array([False, True, False]), 1 / 3)
    {'auroc': 1.0, 'aupr': 1.0, 'f1': 1.0}
    """
    ranked = {"auroc": auroc(is_anomaly, scores), "aupr": aupr(is_anomaly, scores)}
    values = {name: value for name, value in ranked.items() if value is not None}
    if not values:
        return {}
    flagged = np.zeros(len(scores), bool)
    flagged[np.argsort(-scores, kind="stable")[: max(1, round(flagged_share * len(scores)))]] = True
    values["f1"] = f1_score(is_anomaly, flagged, zero_division=0.0)
    return {name: round(float(value), 5) for name, value in values.items()}
