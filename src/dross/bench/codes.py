"""What figures of codes are drawn from: a map, histograms, distances of cycles, closest matches."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dross.plots import neighbour_map
from dross.report.pictures import as_pillow

if TYPE_CHECKING:
    from dross.generative.detector import GenerativeDetector

__all__ = ["codes_record", "from_png", "histograms"]

_MAPPED_ROWS = 512
_CYCLES = 200
_SHOWN_OF_EACH = 6
_SHOWN_SIDE = 16
_BINS = 60


def codes_record(
    detector: GenerativeDetector, rows: NDArray[np.float32], is_anomaly: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return positions by t-SNE, histograms of coefficients and lengths, distances of cycles, and matches.

    At most 512 rows are mapped; six normal rows and six anomalies are shown beside their closest matches.
    """
    codes = detector.embed(rows)
    kept = np.linspace(0, len(rows) - 1, min(len(rows), _MAPPED_ROWS)).astype(int)
    shown = np.concatenate([np.flatnonzero(is_anomaly == side)[:_SHOWN_OF_EACH] for side in (False, True)])
    d_image, d_code = detector.cycle_distances(_CYCLES)
    coefficients = np.repeat(is_anomaly, codes.shape[1])
    return {
        "map": np.round(neighbour_map(codes[kept]), 2).tolist(),
        "is_anomaly": is_anomaly[kept].astype(int).tolist(),
        "coefficients": histograms(codes.ravel(), coefficients),
        "norms": histograms(np.linalg.norm(codes, axis=1), is_anomaly),
        "d_image": [float(f"{value:.4g}") for value in d_image],
        "d_code": [float(f"{value:.4g}") for value in d_code],
        "queries": [_png(image) for image in rows[shown]],
        "matches": [_png(image) for image in detector.reconstruct(rows[shown])],
    }


def histograms(values: NDArray[np.floating[Any]], is_anomaly: NDArray[np.bool_]) -> dict[str, Any]:
    """Return counts of normal rows' and anomalies' values in 60 bins, and where these begin and end.

    Examples
    --------
    >>> found = histograms(np.array([0.0, 1.0, 1.0]), np.array([False, False, True]))
    >>> found["from"], found["to"], found["normal"][-1], found["anomalous"][-1]
    (0.0, 1.0, 1, 1)
    """
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    sides = {"normal": values[~is_anomaly], "anomalous": values[is_anomaly]}
    counts = {name: np.histogram(some, edges)[0].tolist() for name, some in sides.items()}
    return {"from": float(edges[0]), "to": float(edges[-1]), **counts}


def from_png(text: str) -> NDArray[np.uint8]:
    """Return an image ``(h, w, 3)`` of what `codes_record` keeps."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def _png(image: NDArray[np.floating[Any]]) -> str:
    """Return pixels between -1 and 1, shrunk to a side of about 16, as text."""
    pixels = np.clip((np.asarray(image, np.float64) + 1) * 127.5, 0, 255).round().astype(np.uint8)
    picture = as_pillow(pixels).resize((_SHOWN_SIDE, _SHOWN_SIDE), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
