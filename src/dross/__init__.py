"""Find what does not belong in unlabelled data that nobody has cleaned.

Scores have one direction everywhere: **higher = more anomalous** (`anomaly_score`). Only `score_samples`
and `decision_function` follow scikit-learn, where lower is more anomalous. *Contamination* is the share of
anomalies of the total.

Names are loaded when they are first used, so that importing dross costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dross.base import BaseDetector as BaseDetector
    from dross.errors import DrossError as DrossError
    from dross.errors import InputError as InputError
    from dross.errors import ModelFileError as ModelFileError
    from dross.errors import ParameterError as ParameterError
    from dross.findings import Findings as Findings
    from dross.model import Model as Model
    from dross.model import load as load
    from dross.pipeline import find as find

_NAMES = {
    "BaseDetector": "dross.base",
    "DrossError": "dross.errors",
    "Findings": "dross.findings",
    "InputError": "dross.errors",
    "Model": "dross.model",
    "ModelFileError": "dross.errors",
    "ParameterError": "dross.errors",
    "find": "dross.pipeline",
    "load": "dross.model",
}

__all__ = [
    "BaseDetector",
    "DrossError",
    "Findings",
    "InputError",
    "Model",
    "ModelFileError",
    "ParameterError",
    "find",
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'dross' has no attribute {name!r}")
    return getattr(import_module(_NAMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
