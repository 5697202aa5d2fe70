"""Plots of a fitted detector's training and latent space; they take matplotlib, from the extra ``bench``.

`CodeView.of` gathers what is drawn from any detector with codes, `draw_codes` and its kin draw it. Groups, as
known answers, only colour: nothing is fitted to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dross.errors import ParameterError

if TYPE_CHECKING:
    from dross.deep import DeepDetector

__all__ = [
    "CodeView",
    "draw_codes",
    "draw_coefficients",
    "draw_distances",
    "draw_history",
    "draw_map",
    "draw_matches",
    "draw_norms",
    "neighbour_map",
]

_BINS = 60
_COLOURS = ("tab:green", "tab:red", "tab:blue", "tab:orange", "tab:purple")


def neighbour_map(
    codes: NDArray[np.floating[Any]], *, perplexity: float = 30.0, random_state: int = 0
) -> NDArray[np.float64]:
    """Return positions ``(n, 2)`` by t-SNE: codes that are close stay close.

    Parameters
    ----------
    codes : array of shape (n, k)
        At least 3 of them.
    perplexity : float, default 30.0
        About how many neighbours count, the paper's; at most a third of the codes.

    Examples
    --------
    >>> codes = np.repeat([[0.0, 0.0], [9.0, 9.0]], 10, axis=0)
    >>> positions = neighbour_map(codes + np.random.default_rng(0).normal(size=codes.shape))
    >>> bool(np.ptp(positions[:10], axis=0).max() < np.ptp(positions, axis=0).max())
    True
    """
    if len(codes) < 3:
        raise ParameterError(f"A map takes at least 3 codes, got {len(codes)}.")
    from sklearn.manifold import TSNE

    codes = np.asarray(codes, np.float32)
    init = "pca" if codes.shape[1] > 1 else "random"  # one column has one component, a map needs two
    tsne = TSNE(perplexity=min(perplexity, len(codes) / 3), init=init, random_state=random_state)
    return np.asarray(tsne.fit_transform(codes), np.float64)


@dataclass(frozen=True)
class CodeView:
    """What plots of a latent space need.

    Attributes
    ----------
    codes : ndarray of shape (n, k)
    group_names : tuple of str
    group : int array of shape (n,)
        Index of each row's group.
    """

    codes: NDArray[np.float64]
    group_names: tuple[str, ...]
    group: NDArray[np.int64]

    @classmethod
    def of(cls, detector: DeepDetector, X: Any, groups: ArrayLike | None = None) -> Self:
        """Return the codes of rows, with a group each; all of one group where none are given."""
        codes = detector.embed(X)
        if groups is None:
            return cls(codes, ("rows",), np.zeros(len(codes), np.int64))
        labels = np.asarray(groups)
        if labels.shape != (len(codes),):
            raise ParameterError(f"There are {len(codes)} rows, and groups of shape {labels.shape}.")
        names, group = np.unique(labels, return_inverse=True)
        return cls(codes, tuple(map(str, names)), group)

    @property
    def norms(self) -> NDArray[np.float64]:
        """Euclidean lengths of the codes, shape (n,)."""
        return np.asarray(np.linalg.norm(self.codes, axis=1))


def draw_codes(axis: Any, view: CodeView, *, perplexity: float = 30.0, random_state: int = 0) -> None:
    """Draw a map of the codes by t-SNE, a colour per group, on a matplotlib axis."""
    positions = neighbour_map(view.codes, perplexity=perplexity, random_state=random_state)
    draw_map(axis, positions, view.group, view.group_names)


def draw_map(
    axis: Any, positions: NDArray[np.float64], group: NDArray[np.int64], names: Sequence[str]
) -> None:
    """Draw positions ``(n, 2)``, as of `neighbour_map`, a colour per group."""
    for index, name in enumerate(names):
        of_group = positions[group == index]
        axis.scatter(*of_group.T, s=6, alpha=0.6, color=_colour(index), label=name)
    axis.set(xticks=[], yticks=[], xlabel="t-SNE of the code")


def draw_coefficients(axis: Any, view: CodeView, *, bins: int = _BINS) -> None:
    """Draw histograms of all numbers of the codes, one per group, as shares."""
    width = view.codes.shape[1]
    _histograms(axis, view.codes.ravel(), np.repeat(view.group, width), view.group_names, bins)
    axis.set(xlabel="coefficient of the code")


def draw_norms(axis: Any, view: CodeView, *, bins: int = _BINS) -> None:
    """Draw histograms of the codes' lengths, one per group, as shares."""
    _histograms(axis, view.norms, view.group, view.group_names, bins)
    axis.set(xlabel="length of the code")


def draw_distances(axis: Any, d_image: NDArray[np.float64], d_code: NDArray[np.float64]) -> None:
    """Draw d_I against d_z, as of `GenerativeDetector.cycle_distances`."""
    axis.scatter(d_code, d_image, s=6, alpha=0.6)
    axis.set(xlabel="$d_z$", ylabel="$d_I$", xlim=(0, None), ylim=(0, None))


def draw_history(axis: Any, history: Sequence[Mapping[str, float]], names: Sequence[str] = ("loss",)) -> None:
    """Draw by epoch what a history tells, a line per name.

    Parameters
    ----------
    axis
        Of matplotlib.
    history : sequence of dict
        As `DeepDetector.history_`, or one with other numbers by ``epoch``: the mean scores of known kinds of
        rows, say, whose gap closes as anomalies are learnt. What an entry does not have is passed over.
    names : sequence of str, default ("loss",)
    """
    for index, name in enumerate(names):
        if seen := [(entry["epoch"], entry[name]) for entry in history if name in entry]:
            axis.plot(*zip(*seen, strict=True), color=_colour(index), label=name)
    axis.set(xlabel="epoch")


def draw_matches(figure: Any, queries: NDArray[Any], matches: Sequence[tuple[str, NDArray[Any]]]) -> None:
    """Draw a row of images and, below, a row of each method's reconstructions, all on one scale.

    Parameters
    ----------
    figure
        Of matplotlib.
    queries : array of shape (n, c, h, w)
    matches : sequence of (name, array of that shape)
    """
    rows = [("query", queries), *matches]
    low, high = float(queries.min()), float(queries.max())
    axes = figure.subplots(len(rows), len(queries), squeeze=False)
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis, image in zip(line, images, strict=True):
            shown = np.clip((np.asarray(image, np.float64) - low) / ((high - low) or 1.0), 0, 1)
            colours = np.moveaxis(shown, 0, -1) if len(shown) == 3 else shown.mean(axis=0)
            axis.imshow(colours, cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize=8, rotation=0, ha="right", va="center")


def _histograms(
    axis: Any, values: NDArray[np.float64], group: NDArray[np.int64], names: Sequence[str], bins: int
) -> None:
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    for index, name in enumerate(names):
        of_group = values[group == index]
        counts = np.histogram(of_group, edges)[0] / max(1, len(of_group))
        axis.stairs(counts, edges, fill=True, alpha=0.5, color=_colour(index), label=name)


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]
