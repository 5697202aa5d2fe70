"""Sub-clusters of normal data: what a classifier of them is unsure of (Lee and Lee)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from dross.clustering.sub_clusters import cut
from dross.deep import DeepDetector
from dross.detectors.isif import ISIF
from dross.errors import ParameterError
from dross.features.base import State
from dross.nets.resnet import ResNet18
from dross.nets.sub_clusters import NetName, SubClusterModule, classifier_net
from dross.nets.wide_resnet import check_depth
from dross.parameters import check_choice, check_number, check_sizes
from dross.pretext.random_views import RandomViews
from dross.rows import Rows, batches, sample_rows
from dross.scoring import ODIN_EPS, ODIN_TEMPERATURE
from dross.tensors import resolve_device
from dross.training import default_epochs

__all__ = ["SubClusterClassifier"]

_MOMENTUM = 0.9
_CLUSTERED_ROWS = 20_000
_RESNET_DECAY, _RESNET_DECAY_EPOCHS = 0.8, 10
_PARTS = RandomViews(smallest=0.08)  # the field's crops of ImageNet


@dataclass(kw_only=True, eq=False, repr=False)
class SubClusterClassifier(DeepDetector):
    """A row of which a classifier cannot say to which kind of rows it belongs is unusual.

    Rows fall into sub-clusters, given by the caller or found here, and a classifier learns to tell these
    apart; what separates them also separates what belongs to none. The score is how unsure it is; rows
    that are all equal have the same score. Contamination: anomalies among the training rows are learnt as
    members of a sub-cluster; a classifier that cannot fit them all stays unsure of the few.

    The paper takes its sub-clusters from class labels, and scores unlabelled images by their neighbours
    alone. Here images without labels are embedded by `ISIF`, and `SubClusters` finds the parts of the
    embedding's neighbour graph, and how many there are. A number so found is a guess: the classifier has a
    head for k sub-clusters, and further ones for 2 k, 4 k and 8 k. Tables are clustered standardised, as they
    are trained on. The paper's net of two convolutions is not described; dropout (a quarter of the maps, half
    of the hidden layer) keeps the one here from being sure of what it has not seen.

    Parameters
    ----------
    n_sub_clusters : int, tuple of int or None, default None
        Sub-clusters to find where none are given, in each head of the classifier; None takes the number k
        that `SubClusters` finds, 2 k, 4 k and 8 k, as far as there are 20 rows for each.
    embedding : "auto", "isif" or "raw", default "auto"
        Where they are sought: in an embedding of `ISIF`, or in the standardised values; "auto" takes "isif"
        for images. With another embedding at hand, cluster that and hand its clusters to `fit`.
    embedding_epochs : int or None, default None
        Of ISIF, which has its own defaults but for "small" nets; None takes as many as it does, at most
        ``max_epochs``.
    scoring : "energy", "max" or "odin", default "energy"
        Minus the log-sum-exp of the logits; or the paper's: 1 - the largest softmax, or that at a temperature
        after a small step of the values towards the classifier's answer. The mean over the heads. Scores
        follow ``set_params(scoring=...)`` after a fit at once; the threshold and ``anomaly_scores_`` stay
        those of the fit.
    temperature : float, default 1000
        ODIN's, as published.
    eps : float, default 0.0014
        ODIN's step, as published for pixels between 0 and 1, in the unit of the rows: multiply it by 255 for
        bytes. It cannot be tuned without labels.
    net : "auto", "small", "wide" or "resnet18", default "auto"
        The paper's nets for images: two convolutions and two dense layers, a wide residual net, and ResNet-18
        with attention, which learns from random parts of images, mirrored or not. "auto" takes ResNet-18 for
        images over 64 pixels, else "wide" for coloured ones and "small" for grey ones. Tables get two hidden
        layers of 64 units.
    depth, width : int, default 28 and 10
        Of the wide net. The paper's "depth and width 28" would have 287 million weights.
    max_epochs : int or None, default 200
        As published.
    batch_size : int, default 250
        As published.
    lr : float, default 0.1
        Of stochastic gradient descent with momentum 0.9, as published; it falls to 0 as a cosine does, for
        ResNet-18 by a fifth every 10th epoch.
    weight_decay, standardize, device, precision, verbose
        See `DeepDetector`.
    contamination, random_state
        See `BaseDetector`.

    Attributes
    ----------
    labels_ : int array of shape (n, n_heads)
        Sub-cluster of each training row, from 0: of the one head where they are given, in the order of their
        sorted names. A detector that was loaded has none.

    References
    ----------
    Lee, Lee: Sub-clusters of normal data for anomaly detection.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(90, 2)) * 0.3 + np.repeat([[-3.0, 0.0], [3.0, 0.0], [0.0, 5.0]], 30, axis=0)
    >>> detector = SubClusterClassifier(max_epochs=20, batch_size=30, random_state=0).fit(X)
    >>> odd, ordinary = detector.anomaly_score([[0.0, 1.7], [3.0, 0.0]])
    >>> (detector.labels_.max(axis=0) + 1).tolist(), bool(odd > ordinary)
    ([3, 4], True)
    """

    n_sub_clusters: int | tuple[int, ...] | None = None
    embedding: Literal["auto", "isif", "raw"] = "auto"
    embedding_epochs: int | None = None
    scoring: Literal["energy", "max", "odin"] = "energy"
    temperature: float = ODIN_TEMPERATURE
    eps: float = ODIN_EPS
    net: NetName = "auto"
    depth: int = 28
    width: int = 10
    max_epochs: int | None = 200
    batch_size: int = 250
    lr: float = 0.1

    def fit(self, X: Rows, y: object = None) -> Self:
        """Learn from rows and their sub-clusters, and set the threshold.

        Parameters
        ----------
        X : array of shape (n, d) or (n, c, h, w), or a `RowSource`
            The rows, anomalies among them.
        y : array-like of shape (n,), optional
            Which sub-cluster of the *normal* rows each belongs to, by any name. Never whether it is an
            anomaly.

        Returns
        -------
        self

        Raises
        ------
        ParameterError
            If ``y`` has another length, lacks a name, or names a single sub-cluster or each row's own.
        """
        self._given = None if y is None else np.asarray(y)
        try:
            return super().fit(X)
        finally:
            del self._given

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if isinstance(self.n_sub_clusters, (tuple, list)):
            check_sizes(self, "n_sub_clusters", 2)
        else:
            check_number(self, "n_sub_clusters", int, 2, optional=True)
        check_choice(self, "embedding", "auto", "isif", "raw")
        check_number(self, "embedding_epochs", int, 1, optional=True)
        check_choice(self, "scoring", "energy", "max", "odin")
        check_number(self, "temperature", float, 1e-3)
        check_number(self, "eps", float, 0)
        check_choice(self, "net", "auto", "small", "wide", "resnet18")
        check_number(self, "depth", int, 4)
        check_depth(self.depth)
        check_number(self, "width", int, 1)

    def _fit(self, X: Rows) -> None:
        self.labels_ = self._sub_clusters(X) if self._given is None else _as_numbers(self._given, len(X))
        self._sizes = (self.labels_.max(axis=0) + 1).tolist()
        super()._fit(X)

    def _sub_clusters(self, X: Rows) -> NDArray[np.int64]:
        """Return those of the checkpoint, if there is one and it is wanted; else find them and keep them."""
        if self._monitor.checkpoint is None:
            return self._find_sub_clusters(X)
        checkpoint = self._monitor.checkpoint.part("labels")
        if self._monitor.resume and (saved := checkpoint.load()) is not None:
            checkpoint.mark_resumed()
            return np.asarray(saved[1]["labels"])
        labels = self._find_sub_clusters(X)
        checkpoint.save({}, {"labels": labels})
        return labels

    def _find_sub_clusters(self, X: Rows) -> NDArray[np.int64]:
        is_image = len(self.input_shape_) == 3
        if self.embedding == "isif" and not is_image:
            raise ParameterError("embedding of SubClusterClassifier is 'isif', which takes images only.")
        in_embedding = is_image and self.embedding != "raw"
        embedder = self._embedding(X) if in_embedding else self
        encode = embedder.module_.encode if in_embedding else self._flat_values(X)
        kept = sample_rows(len(X), _CLUSTERED_ROWS, self.seed_)
        embedded = embedder._map_rows(X, kept, encode)
        heads: NDArray[np.int64] = cut(embedded, self.n_sub_clusters, self.seed_)
        if len(kept) == len(X):
            return heads
        nearest = NearestNeighbors(n_neighbors=1).fit(embedded)
        rows = np.arange(len(X))
        places = [
            nearest.kneighbors(embedder._map_rows(X, rows[part], encode), return_distance=False)
            for part in batches(len(X), _CLUSTERED_ROWS)
        ]
        return np.asarray(heads[np.concatenate(places)[:, 0]])

    def _flat_values(self, X: Rows) -> Callable[[Tensor], Tensor]:
        """Prepare this detector's own standardisation; return what flattens a standardised batch."""
        self.device_ = resolve_device(self.device)
        self._learn_standardisation(X)
        return lambda x: x.flatten(1)

    def _embedding(self, X: Rows) -> ISIF:
        """Train ISIF, whose checkpoint lies beside this detector's."""
        isif = ISIF(
            net="small" if self.net == "small" else "auto",
            device=self.device,
            precision=self.precision,
            verbose=self.verbose,
            max_samples=2,  # its neighbours are not looked at, nor is its threshold
            contamination=0.1,
            random_state=self.seed_,
        )
        usual = default_epochs(math.ceil(len(X) / isif.batch_size))
        isif.max_epochs = self.embedding_epochs or min(usual, self.max_epochs or usual)
        monitor, checkpoint = self._monitor, self._monitor.checkpoint
        monitor.checkpoint = checkpoint and checkpoint.part("embedding")
        monitor.stage("embedding")
        try:
            return isif.set_monitor(monitor).fit(X)
        finally:
            monitor.stage("fitting")
            monitor.checkpoint = checkpoint

    def _build_module(self, input_shape: tuple[int, ...]) -> nn.Module:
        net = classifier_net(self.net, input_shape, sum(self._sizes), self.depth, self.width)
        return SubClusterModule(net, self._sizes)

    def _configure_optimizers(self) -> list[Optimizer]:
        weights = self._in_one_piece(self.module_)
        return [SGD([weights], lr=self.lr, momentum=_MOMENTUM, weight_decay=self.weight_decay, fused=True)]

    def _lr_factor(self, epoch: int, n_epochs: int) -> float:
        if self._is_resnet:
            return float(_RESNET_DECAY ** (epoch // _RESNET_DECAY_EPOCHS))
        return (1 + math.cos(math.pi * epoch / n_epochs)) / 2

    @property
    def _is_resnet(self) -> bool:
        return isinstance(self.module_.net, ResNet18)

    def _train(self, X: Rows) -> None:
        self._labels = torch.from_numpy(self.labels_)
        super()._train(X)
        del self._labels

    def _training_step(self, x: Tensor, rows: Tensor, optimizers: list[Optimizer]) -> Tensor:
        module: Any = self.module_
        labels = self._labels[rows].to(self.device_)
        if self._is_resnet:
            x = _PARTS.part(x)
        return self._descend(optimizers[0], lambda: module.loss(x, labels))

    def _module_score(self, x: Tensor) -> Tensor:
        module: Any = self.module_
        eps = self.eps * self._inverse_scale  # in deviations, as the net sees values
        scores: Tensor = module.score(x, self.scoring, self.temperature, eps)
        return scores

    def _learned_state(self) -> State:
        values, arrays = super()._learned_state()
        return values | {"sizes": self._sizes}, arrays

    def _restore(self, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self._sizes = values["sizes"]
        super()._restore(values, arrays)


def _some_missing(names: NDArray[Any]) -> bool:
    """Return whether a name is None, or unlike itself as NaN is."""
    try:
        is_none = np.equal(names, np.array(None)) if names.dtype == object else False
        return bool(np.any((names != names) | is_none))
    except TypeError:  # of pandas' NA not even that can be said
        return True


def _as_numbers(names: NDArray[Any], n_rows: int) -> NDArray[np.int64]:
    """Return the places of sub-clusters' names among all of them, as the labels of one head."""
    if names.shape != (n_rows,):
        raise ParameterError(
            f"y must name the sub-cluster of each of the {n_rows} rows; got shape {names.shape}."
        )
    if _some_missing(names):
        raise ParameterError("y must name the sub-cluster of every row; some names are missing.")
    try:
        different, labels = np.unique(names, return_inverse=True)
    except TypeError:  # names of several types have no order but as words
        different, labels = np.unique(names.astype(str), return_inverse=True)
    if len(different) < 2:
        raise ParameterError("A classifier of sub-clusters needs at least two of them, and y names one.")
    if len(different) == n_rows:
        raise ParameterError("y must name sub-clusters, and each row has a name of its own.")
    return np.asarray(labels[:, None], np.int64)
