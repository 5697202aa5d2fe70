"""Small videos, written with PyAV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["make_video"]


def make_video(
    path: Path,
    n_frames: int = 320,
    odd: range = range(0),
    *,
    codec: str = "mpeg4",
    pace: int = 25,
    seed: int = 0,
) -> Path:
    """Write a grey scene in which a bright square moves slowly to and fro; in the ``odd`` frames it races."""
    import av

    rng = np.random.default_rng(seed)
    scene = rng.integers(60, 120, (48, 64, 3), dtype=np.uint8)
    at = 0.0
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=pace)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(n_frames):
            at += 9 if number in odd else 0.5
            frame = scene.copy()
            x = int(abs(at % 100 - 50))
            frame[18:30, x : x + 12] = 230
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
