"""Parameters that make every detector quick to train."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from dross import registry
from dross.generative.detector import GenerativeDetector
from dross.pretext.classifier import TransformationDetector

__all__ = ["GENERATIVE_NAMES", "LEAVE_ONE_OUT", "VIEW_NAMES", "quick"]

LEAVE_ONE_OUT = ("isif", "kde", "knn", "lof", "ocsvm")
"""Detectors whose training rows leave themselves out of their scores."""

VIEW_NAMES = [name for name in registry.DETECTORS if issubclass(registry.get(name), TransformationDetector)]
"""Detectors that learn which transformation an image went through."""

GENERATIVE_NAMES = [name for name in registry.DETECTORS if issubclass(registry.get(name), GenerativeDetector)]

_OWN: dict[str, dict[str, Any]] = {
    "goad": {"n_maps": 16},
    "gt_lfr": {"n_components": 4},
    "sub_clusters": {"embedding": "raw"},
}


def quick(name: str) -> dict[str, Any]:
    """Return parameters for a detector: one epoch, the smallest net."""
    parameters: dict[str, Any] = {}
    if "max_epochs" in {field.name for field in fields(registry.get(name))}:
        parameters = {"max_epochs": 1}
    if name in VIEW_NAMES:
        parameters = {"depth": 4, "max_epochs": 1, "batch_size": 64}
    if name in GENERATIVE_NAMES:
        parameters |= {"channels": 8, "latent_dim": 16}
    return parameters | _OWN.get(name, {})
