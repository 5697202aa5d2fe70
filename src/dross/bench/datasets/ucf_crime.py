"""UCF-Crime: C3D features of surveillance videos, 32 segments each; labels "normal" and "anomalous".

The authors' layout: a text file a video with 32 lines of 4 096 numbers, and the events' first and last frames
in their annotation of the test videos; only those videos are read. Their files do not tell how many frames a
video has, and its segments cannot be placed without: ``frame_counts.txt`` has a line ``<video> <frames>``
for each anomalous video. Segment k of 32 is frames k·n/32 to (k+1)·n/32 and anomalous where it overlaps an
event. `groups` are the videos.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dross.bench.datasets.base import ArrayRows, Data, Dataset, Layout, locate
from dross.bench.datasets.files import read_npz
from dross.errors import InputError
from dross.sources.streams import damage_named

__all__ = ["UCF_CRIME", "segment_labels"]

_N_SEGMENTS, _N_FEATURES = 32, 4096
_ANNOTATIONS = ("Temporal_Anomaly_Annotation*.txt", "ucfcrime_temporal_annotation.txt")
_FRAME_COUNTS = "frame_counts.txt"


def segment_labels(n_frames: int, events: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which of the 32 segments of a video overlap an event.

    Parameters
    ----------
    n_frames : int
        Frames of the video.
    events : int array (m, 2)
        First and last frame of each event.

    Examples
    --------
    >>> segment_labels(320, np.array([[15, 25]])).nonzero()[0].tolist()
    [1, 2]
    """
    edges = np.arange(_N_SEGMENTS + 1) * n_frames / _N_SEGMENTS
    overlaps = (events[:, :1] < edges[1:]) & (events[:, 1:] > edges[:-1])
    return np.asarray(overlaps.any(axis=0))


def _read_sample(place: Path) -> Data:
    path = place / "ucfcrime_c3d_sample.npz"
    features, names, is_anomaly = read_npz(path, "features", "names", "segment_label")
    return _data(features, names, is_anomaly, path, note=f"UCF-Crime, {len(names)} of 290 test videos")


def _data(
    features: NDArray[np.float32],
    names: NDArray[np.str_],
    is_anomaly: NDArray[np.bool_],
    path: Path,
    note: str = "",
) -> Data:
    if features.shape != (len(names), _N_SEGMENTS, _N_FEATURES) or is_anomaly.shape != features.shape[:2]:
        raise InputError(f"{path} has features of shape {features.shape}; needed are (videos, 32, 4096).")
    return Data(
        rows=ArrayRows(features.reshape(-1, _N_FEATURES).astype(np.float32, copy=False)),
        labels=np.where(is_anomaly.ravel(), "anomalous", "normal"),
        note=note,
        groups=np.repeat(names, _N_SEGMENTS),
    )


def _read_texts(place: Path) -> Data:
    annotation = next(path for name in _ANNOTATIONS if (path := locate(place, name)))
    counts = _frame_counts(place / _FRAME_COUNTS)
    files = {path.stem.removesuffix("_C"): path for path in sorted(place.rglob("*.txt"))}
    names, features, labels = [], [], []
    for video, events in _events(annotation).items():
        if video not in files:
            continue
        if len(events) and video not in counts:
            raise InputError(f"{place / _FRAME_COUNTS} has no line for {video}, which has an event.")
        names.append(video.removesuffix("_x264"))
        features.append(_features(files[video]))
        labels.append(segment_labels(counts.get(video, _N_SEGMENTS), events))
    if not names:
        raise InputError(f"{place} has no feature file of a video that {annotation.name} names.")
    return _data(np.stack(features), np.array(names), np.stack(labels), place)


def _events(path: Path) -> dict[str, NDArray[np.int64]]:
    """Read video -> first and last frames of its events, of lines ``name class start end start end``."""
    events = {}
    with damage_named(path):
        for line in path.read_text("utf-8").splitlines():
            if words := line.split():
                frames = np.array([int(word) for word in words[2:6]], np.int64).reshape(2, 2)
                events[words[0].removesuffix(".mp4")] = frames[frames[:, 0] >= 0]
    return events


def _frame_counts(path: Path) -> dict[str, int]:
    with damage_named(path):
        words = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
        return {name.removesuffix(".mp4"): int(count) for name, count in words}


def _features(path: Path) -> NDArray[np.float32]:
    with damage_named(path):
        values = np.array(path.read_text("ascii").split(), np.float32)
        if values.size != _N_SEGMENTS * _N_FEATURES:
            raise InputError(f"{path} has {values.size} numbers; needed are 32 lines of 4096.")
        return values.reshape(_N_SEGMENTS, _N_FEATURES)


UCF_CRIME = Dataset(
    name="ucf_crime",
    title="UCF-Crime (C3D features)",
    kind="video",
    layouts=(
        *(
            Layout((name, _FRAME_COUNTS, "**/*_x264*.txt"), _read_texts, ("ucf_crime",))
            for name in _ANNOTATIONS
        ),
        Layout(("ucfcrime_c3d_sample.npz",), _read_sample),
    ),
    source="https://www.crcv.ucf.edu/projects/real-world/",
    licence="not stated",
)
