"""Images by the cluster that they are in: what do clusters of little and of large variance hold?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dross.report.pictures import as_pillow

__all__ = ["contact_sheet"]

_SIDE = 56  # pixels per image
_GAP = 4
_CAPTION = 150
_FRAME = (220, 40, 40)


def contact_sheet(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    cluster_distances: NDArray[np.float64],
    *,
    every: int = 5,
    n_clusters: int = 10,
    n_members: int = 12,
    marked: NDArray[np.bool_] | None = None,
) -> Image.Image:
    """Draw members of some clusters, a line per cluster, least variance at the top.

    As Figure 2 of DUAD: the clusters at places 5, 10, 15 ... of the order by rising variance.

    Parameters
    ----------
    images : uint8 array of shape (n, c, h, w)
    labels : int array of shape (n,)
        Cluster of each image, -1 = none.
    cluster_distances : ndarray of shape (k,)
        Of each cluster, what they are ordered by; twice its variance in `DistributionClustering`.
    every, n_clusters : int, default 5 and 10
        Show every fifth cluster, ten at most.
    n_members : int, default 12
        Members shown, evenly from first to last.
    marked : bool array of shape (n,), optional
        Images to frame in red, such as known anomalies.

    Returns
    -------
    Image
        RGB, without lines if there are fewer than ``every`` clusters.

    Examples
    --------
    >>> images = np.zeros((20, 1, 8, 8), np.uint8)
    >>> contact_sheet(images, np.arange(20) // 2, np.arange(10.0)).size  # 2 lines
    (874, 124)
    """
    shown = np.argsort(cluster_distances, kind="stable")[every - 1 :: every][:n_clusters]
    cell = _SIDE + _GAP
    size = (_CAPTION + n_members * cell + _GAP, max(1, len(shown)) * cell + _GAP)
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for line, cluster in enumerate(shown):
        members = np.flatnonzero(labels == cluster)
        top = _GAP + line * cell
        caption = (
            f"cluster {(line + 1) * every}\n{len(members)} images\ndistance {cluster_distances[cluster]:.3f}"
        )
        draw.multiline_text((_GAP, top), caption, fill="black", font=font)
        places = np.linspace(0, len(members) - 1, min(n_members, len(members))).round().astype(np.int64)
        for column, row in enumerate(members[places]):
            left = _CAPTION + column * cell
            if marked is not None and marked[row]:
                frame = (left - _GAP // 2, top - _GAP // 2, left + _SIDE + 1, top + _SIDE + 1)
                draw.rectangle(frame, fill=_FRAME)
            sheet.paste(as_pillow(images[row]).resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), (left, top))
    return sheet
