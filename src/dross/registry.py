"""Every detector by name: the one list that the command line, tests, docs and loading go through."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import TYPE_CHECKING

from dross.errors import ParameterError

if TYPE_CHECKING:
    from dross.base import BaseDetector

__all__ = ["DETECTORS", "get"]

DETECTORS: dict[str, str] = {
    "ae_lfr": "dross.detectors.ae_lfr:AELFR",
    "autoencoder": "dross.detectors.autoencoder:AutoEncoder",
    "dagmm": "dross.detectors.dagmm:DAGMM",
    "deep_svdd": "dross.detectors.deep_svdd:DeepSVDD",
    "distribution_clustering": "dross.detectors.distribution_clustering:DistributionClusteringDetector",
    "drae": "dross.detectors.drae:DRAE",
    "duad": "dross.detectors.duad:DUAD",
    "e3outlier": "dross.detectors.e3outlier:E3Outlier",
    "f_anogan": "dross.detectors.f_anogan:FAnoGAN",
    "geom": "dross.detectors.geom:GEOM",
    "goad": "dross.detectors.goad:GOAD",
    "gt_lfr": "dross.detectors.gt_lfr:GTLFR",
    "guarded_forest": "dross.detectors.guarded_forest:GuardedForest",
    "isif": "dross.detectors.isif:ISIF",
    "isolation_forest": "dross.detectors.isolation_forest:IsolationForest",
    "jigsaw": "dross.detectors.jigsaw:Jigsaw",
    "joint_encoder": "dross.detectors.joint_encoder:JointEncoderGAN",
    "kde": "dross.detectors.kde:KDE",
    "knn": "dross.detectors.knn:KNN",
    "lof": "dross.detectors.lof:LOF",
    "memae": "dross.detectors.memae:MemAE",
    "ocnn": "dross.detectors.ocnn:OCNN",
    "ocsvm": "dross.detectors.ocsvm:OCSVM",
    "pca": "dross.detectors.pca:PCA",
    "rotnet": "dross.detectors.rotnet:RotNet",
    "rsrae": "dross.detectors.rsrae:RSRAE",
    "ssl": "dross.detectors.rotation_translation:RotationTranslation",
    "sub_clusters": "dross.detectors.sub_clusters:SubClusterClassifier",
    "toll": "dross.detectors.toll:Toll",
    "vae": "dross.detectors.vae:VAE",
}
"""Name -> "module:Class"; listing it imports neither torch nor scikit-learn."""


def get(name: str) -> type[BaseDetector]:
    """Return the class of a registered detector.

    Raises
    ------
    ParameterError
        If there is none of that name; the message names the nearest.

    Examples
    --------
    >>> get("pca").__name__
    'PCA'
    """
    if name not in DETECTORS:
        near = difflib.get_close_matches(name, DETECTORS, n=1, cutoff=0.0)
        raise ParameterError(
            f"There is no detector {name!r}; did you mean {near[0]!r}? See `dross detectors`."
        )
    module, _, attribute = DETECTORS[name].partition(":")
    detector: type[BaseDetector] = getattr(import_module(module), attribute)
    return detector
