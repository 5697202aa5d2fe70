"""Images as numbers: every value scaled to [0, 1], a batch at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dross.errors import ModelFileError
from dross.features.base import Explanations, Features, ImageForm, State, check_enough, refuse_equal
from dross.rows import batches
from dross.sources.base import RowSource, Source
from dross.sources.images import ImageSource

if TYPE_CHECKING:
    from dross.base import BaseDetector

__all__ = ["ImageScaler", "ScaledRows", "place_in_words"]

_SAMPLE = 2048
_BATCH = 256
_MAP_VALUES = 16_000_000  # of the heat maps that are kept
_FEWEST_MAPS = 20
_WIDEST = 1e300  # so that the difference of two values is still a number
_PLACES = (
    ("upper left", "upper middle", "upper right"),
    ("middle left", "centre", "middle right"),
    ("lower left", "lower middle", "lower right"),
)


class ScaledRows:
    """Rows ``(n, c, h, w)`` as float32 in [0, 1], computed when they are asked for.

    What lies outside ``[low, high]`` is clipped; what is not finite becomes ``fill``, a value before scaling.
    """

    def __init__(self, rows: RowSource, low: float, high: float, fill: float) -> None:
        self._rows = rows
        self._low, self._high, self._fill = low, high, fill
        self.shape = tuple(rows.shape)
        self.dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any, /) -> NDArray[np.float32]:
        values = np.asarray(self._rows[indices])
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, values.dtype.type(self._fill))
        # bytes fit into float32; what is wider may be too large or too fine for it before it is scaled
        values = values.astype(np.float32 if values.dtype.itemsize == 1 else np.float64)
        scaled = (np.clip(values, self._low, self._high) - self._low) / (self._high - self._low)
        return np.asarray(scaled, np.float32)


class ImageScaler(Features):
    """Scales images to [0, 1]; a pure function of the image once it is fitted.

    Bytes are divided by 255. Other values are scaled by the range of a sample of 2 048 training images:
    from the smallest of the images' minima to the largest of their maxima, where images beyond Tukey's far
    fences do not count, so that a few broken images cannot squeeze all others into a corner. Values beyond
    the range are clipped, missing ones take the sample's median; both are named in the reasons.

    Attributes
    ----------
    shape
        ``(c, h, w)`` of one image.
    low, high
        The values that become 0 and 1.
    fill
        What stands for values that are not finite, before scaling.

    Examples
    --------
    >>> from dross.sources.base import ReadOptions
    >>> from dross.sources.images import image_array
    >>> source = image_array(np.arange(5 * 16 * 16, dtype=float).reshape(5, 16, 16), "demo", ReadOptions())
    >>> X = ImageScaler().fit(source).transform(source)
    >>> X.shape, float(X[:].min()), float(X[:].max())
    ((5, 1, 16, 16), 0.0, 1.0)
    """

    def __init__(self) -> None:
        self.feature_owner = ["pixels"]
        self.notes: list[str] = []
        self.description: dict[str, Any] = {}
        self.shape: tuple[int, ...] = ()
        self.low, self.high, self.fill = 0.0, 255.0, 0.0

    @property
    def image_form(self) -> ImageForm:
        """As the images fitted on; those that are no squares are not brought to one."""
        channels, height, width = self.shape
        return ImageForm(self.shape, height if height == width else None, channels)

    def fit(self, source: Source) -> Self:
        """Take shape and range of the images.

        Raises
        ------
        InputError
            Fewer than 5 images, or all of them are equal.
        """
        rows = cast("ImageSource", source).rows
        check_enough(source, "images")
        if _all_equal(rows):
            refuse_equal(source, "images")
        self.shape = tuple(rows.shape[1:])
        self.notes, self.low, self.high, self.fill = [], 0.0, 255.0, 0.0
        if source.kind not in ("image", "video"):  # values of an array
            self.low, self.high, self.fill = _range(rows)
            self.notes.append(f"values from {self.low:g} to {self.high:g} are scaled to [0, 1]")
        self._describe()
        return self

    def transform(self, source: Source) -> ScaledRows:
        """Return the images as lazy rows ``(n, c, h, w)``, float32 in [0, 1].

        Raises
        ------
        ModelFileError
            The images have another shape than those fitted on.
        """
        rows = cast("ImageSource", source).rows
        if tuple(rows.shape[1:]) != self.shape:
            got, fitted = ("({}, {}, {})".format(*shape) for shape in (rows.shape[1:], self.shape))
            raise ModelFileError(
                f"The images of {source.name} are {got} (channels, height, width); the model takes {fitted}."
            )
        return ScaledRows(rows, self.low, self.high, self.fill)

    def explain(
        self,
        detector: BaseDetector,
        source: Source,
        X: NDArray[np.float32] | RowSource,
        rows: NDArray[np.int64],
    ) -> Explanations:
        """Return where each of the detector's heat maps is strongest, and the first maps as they are."""
        original = cast("ImageSource", source).rows
        n_maps = min(len(rows), max(_FEWEST_MAPS, _MAP_VALUES // math.prod(self.shape[1:])))
        heatmaps = np.empty((n_maps, *self.shape[1:]), np.float32)
        reasons = []
        for part in batches(len(rows), _BATCH):
            heat = np.asarray(detector.explain(X[rows[part]]), np.float32)
            heatmaps[part] = heat[: max(0, n_maps - part.start)]
            odd = self._odd_values(np.asarray(original[rows[part]]))
            reasons += [place_in_words(one) + words for one, words in zip(heat, odd, strict=True)]
        return Explanations(reasons, heatmaps)

    def get_state(self) -> State:
        """Return what was fitted."""
        return {"shape": list(self.shape), "low": self.low, "high": self.high, "fill": self.fill}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Take back what `get_state` returned."""
        del arrays
        scaler = cls()
        scaler.shape = tuple(int(side) for side in values["shape"])
        scaler.low, scaler.high, scaler.fill = (float(values[name]) for name in ("low", "high", "fill"))
        scaler._describe()
        return scaler

    def _describe(self) -> None:
        self.description = {"shape": list(self.shape), "range": [self.low, self.high]}

    def _odd_values(self, images: NDArray[Any]) -> list[str]:
        """Say of each image how many values are missing or were clipped."""
        missing = ~np.isfinite(images)
        clipped = ~missing & ((images < self.low) | (images > self.high))
        sentences = []
        for counts in zip(missing.sum(axis=(1, 2, 3)), clipped.sum(axis=(1, 2, 3)), strict=True):
            named = zip(
                counts, ("values are missing or infinite", "values lie outside the range"), strict=True
            )
            sentences.append("".join(f"; {count:,} {what}" for count, what in named if count))
        return sentences


def _all_equal(rows: RowSource) -> bool:
    first = rows[:1]
    return all(
        np.array_equal(batch, np.broadcast_to(first, batch.shape), equal_nan=batch.dtype.kind == "f")
        for batch in (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))
    )


def _range(rows: RowSource) -> tuple[float, float, float]:
    """Return the values that become 0 and 1, and the median, from a sample of the images."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).astype(np.int64))
    minima, maxima, medians = [], [], []
    for row in chosen:
        values = np.asarray(rows[row : row + 1])
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size:
            minima.append(values.min())
            maxima.append(values.max())
            medians.append(np.median(values))
    if not minima or min(minima) == max(maxima):
        return 0.0, 1.0, 0.0
    low, high = -_largest_usual(-np.array(minima)), _largest_usual(np.array(maxima))
    if low >= high:  # nearly all images are of one and the same value
        low, high = float(min(minima)), float(max(maxima))
    if rows.dtype == np.uint8 and high > 127:  # the range of bytes, not that of this sample
        low, high = 0.0, 255.0
    return max(low, -_WIDEST), min(high, _WIDEST), float(np.median(medians))


def _largest_usual(values: NDArray[np.float64]) -> float:
    """Return the largest value within Tukey's far fence."""
    lower, upper = np.quantile(values, [0.25, 0.75])
    with np.errstate(over="ignore"):  # beyond all numbers: every value is within
        fence = upper + 3 * (upper - lower)
    return float(values[values <= fence].max())


def place_in_words(heat: NDArray[np.float32]) -> str:
    """Say where a heat map is strongest, and whether it is local."""
    smooth = ndimage.uniform_filter(np.maximum(heat, 0).astype(np.float64), 3, mode="nearest")
    total = smooth.sum()
    if not 0 < total < np.inf:
        return "no single place stands out"
    peak = np.unravel_index(int(smooth.argmax()), smooth.shape)
    falling = np.cumsum(np.sort(smooth, axis=None)[::-1])
    if np.searchsorted(falling, total / 2) >= smooth.size / 4:  # half of it needs a quarter of the image
        return f"spread over the whole image, strongest at {_place(peak, smooth.shape)}"
    regions, _ = ndimage.label(smooth >= smooth[peak] / 2)
    y, x = np.nonzero(regions == regions[peak])
    height, width = np.ptp(y) + 1, np.ptp(x) + 1
    middle = (int(y.min() + height // 2), int(x.min() + width // 2))
    return (
        f"strongest at {_place(middle, smooth.shape)}, {width} x {height} px around "
        f"x {middle[1]}, y {middle[0]} of {smooth.shape[1]} x {smooth.shape[0]}"
    )


def _place(point: tuple[Any, ...], shape: tuple[int, ...]) -> str:
    """Name the third of the height and of the width that a point lies in."""
    row, column = (int(3 * at / side) for at, side in zip(point, shape, strict=True))
    return f"the {_PLACES[row][column]}"
