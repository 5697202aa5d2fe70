"""Videos as rows: clips of 16 frames with their times, decoded with PyAV one after the other.

A clip is kept as its middle frame and as how much moved, small enough for the report and for detectors of
images. Whoever needs the frames themselves has them decoded again, a clip at a time: no more than that is
ever in memory, whatever the length of a video.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from dross.errors import InputError
from dross.sources.archives import WalkLog, looks_like_video, walk
from dross.sources.base import ReadOptions, Unreadable
from dross.sources.images import ImageSource
from dross.sources.resizing import fit_inside
from dross.sources.spool import Spool
from dross.sources.streams import in_brief

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["FRAMES", "VideoSource", "open_videos"]

FRAMES = 16
"""Frames of a clip, as C3D takes them."""

_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
_SIZE = 64
_MOTION_GAIN = 4.0  # differences of bytes between two frames are small
_HASHED = 1 << 20

Clip = tuple[list[float], list[NDArray[np.uint8]]]
"""The times of its frames in seconds, and those of the frames that are wanted, each ``(h, w, 3)``."""

Size = Callable[[tuple[int, int]], tuple[int, int]]
"""From the width and height of a file to those that its frames are brought to."""

Stamp = tuple[int, int]
"""Bytes, and nanoseconds: what a file that is too large to be hashed again is known by."""


@dataclass(kw_only=True, eq=False)
class VideoSource(ImageSource):
    """Clips of one or several videos.

    Parameters
    ----------
    rows
        ``(n, 4, side, side)`` uint8: the middle frame of a clip in three channels, fitted into a square, and
        the mean absolute difference of neighbouring frames, times 4.
    videos
        ``(n,)`` the file of each clip.
    spans
        ``(n, 2)`` seconds at which a clip begins and ends.
    numbers
        ``(n,)`` which clip of its file it is, from 0.
    stamps
        Size and time of change of each file when it was read, by its name.
    """

    family: ClassVar[Literal["video"]] = "video"  # type: ignore[assignment]

    videos: NDArray[Any]
    spans: NDArray[np.float64]
    numbers: NDArray[np.int64]
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> pa.Table:
        """Return the columns ``video, start, end`` of a few clips; times in seconds."""
        rows = np.asarray(rows, np.int64)
        start, end = self.spans[rows].T
        return pa.table({"video": pa.array(self.videos[rows], pa.string()), "start": start, "end": end})

    def places(self) -> pa.Table:
        """Return where each clip is, for scores.parquet."""
        return self.take(np.arange(len(self)))

    def clips(self, width: int, height: int, rows: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the frames ``(16, height, width, 3)`` of some clips, in rising order of their rows."""
        for frames in self._wanted_frames(rows, range(FRAMES), lambda _: (width, height)):
            yield np.stack(frames)

    def originals(
        self, function: Callable[[Image.Image], NDArray[Any]], rows: NDArray[np.int64]
    ) -> Iterator[NDArray[Any]]:
        """Yield what a function makes of the middle frames of some clips, at their full size."""
        for (frame,) in self._wanted_frames(rows, range(FRAMES // 2, FRAMES // 2 + 1), lambda size: size):
            yield function(Image.fromarray(frame))

    def _wanted_frames(
        self, rows: NDArray[np.int64], places: range, size: Size
    ) -> Iterator[list[NDArray[np.uint8]]]:
        """Yield the frames at some places of each of some clips."""
        if self.path is None:  # made of pictures, not of files
            for row in rows:
                picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(self.rows[[row]][0][:3], 0, -1)))
                yield [np.asarray(picture.resize(size(picture.size)))] * len(places)
            return
        for video in dict.fromkeys(self.videos[rows].tolist()):
            wanted = set(self.numbers[rows[self.videos[rows] == video]].tolist())
            file = self.path / video if self.path.is_dir() else self.path
            clips = enumerate(_clips(file, size, wanted, places))
            while wanted:
                try:
                    number, (_, frames) = next(clips, (-1, ([], [])))
                    has_changed = number < 0 or _stamp(file) != self.stamps[video]
                except _decoding_errors():
                    has_changed = True
                if has_changed:
                    raise self._has_changed()
                if number in wanted:
                    wanted.remove(number)
                    yield frames


@dataclass
class _Tally:
    """What is known of the clips so far."""

    pictures: Spool
    videos: list[str] = field(default_factory=list)
    spans: list[tuple[float, float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)


def open_videos(path: Path, options: ReadOptions) -> VideoSource:
    """Read a folder of videos, or one file.

    Raises
    ------
    InputError
        PyAV is not installed, or no file has 16 frames that can be decoded.
    """
    if find_spec("av") is None:
        raise InputError("av is not installed, which videos need: pip install 'dross[video]'.")
    log, names = WalkLog(), []

    def look(name: str, head: bytes) -> bool:
        if looks_like_video(head):
            names.append(name)
        elif name.lower().endswith(_SUFFIXES):
            log.unreadable.append(
                Unreadable(name, "empty" if not head else "not a video, by its first bytes")
            )
        return False

    for _ in walk(path, log, look):
        pass
    side = options.image_size or _SIZE
    with Spool(options.cache_dir) as pictures:
        tally = _Tally(pictures)
        for name in names:
            trouble = _read_video(path / name if path.is_dir() else path, name, side, tally)
            if trouble:
                log.unreadable.append(Unreadable(name, trouble))
        if not tally.videos:
            first = f"; the first is {names[0]}: {log.unreadable[-1].reason}" if log.unreadable else ""
            raise InputError(f"{path} has no video of {FRAMES} readable frames{first}.")
        rows = pictures.rows((4, side, side))
    return _source(path, tally, rows, log)


def _source(path: Path, tally: _Tally, rows: NDArray[np.uint8], log: WalkLog) -> VideoSource:
    videos = np.array(tally.videos, dtype=object)
    spans = np.array(tally.spans)
    ids = [f"{video} {_clock(start)}" for video, (start, _) in zip(videos, spans, strict=True)]
    n_videos = len(set(tally.videos))
    seconds = float((spans[:, 1] - spans[:, 0]).sum())
    files = "1 video" if n_videos == 1 else f"{n_videos:,} videos"
    notes = [f"{len(ids):,} clips of {FRAMES} frames from {files}, {_clock(seconds)} in all"]
    return VideoSource(
        name=path.name,
        ids=np.array(ids, dtype=object),
        kind="video",
        unreadable=log.unreadable,
        notes=notes,
        facts={"format": "folder" if path.is_dir() else "video", "videos": n_videos, "seconds": seconds},
        rows=rows,
        sizes=np.array(tally.sizes, np.int32),
        path=path,
        digests=tally.digests,
        videos=videos,
        spans=spans,
        numbers=np.array(tally.numbers),
        stamps=tally.stamps,
    )


def _read_video(file: Path, name: str, side: int, tally: _Tally) -> str | None:
    """Append the clips of one file; return what is wrong with it, if anything."""
    original: list[tuple[int, int]] = []

    def size(of_file: tuple[int, int]) -> tuple[int, int]:
        original[:] = [of_file]
        return fit_inside(of_file, side)

    count, end = 0, 0.0
    try:
        tally.stamps[name] = _stamp(file)
        digest = _digest(file)
        for number, (times, frames) in enumerate(_clips(file, size)):
            tally.pictures.append(_picture(frames, side))
            start, last = times[0], times[-1]
            end = last + (last - start) / (FRAMES - 1)
            tally.videos.append(name)
            tally.spans.append((start, end))
            tally.numbers.append(number)
            tally.digests.append(blake2b(digest + number.to_bytes(8, "little"), digest_size=16).digest())
            tally.sizes.append(original[0])
            count = number + 1
    except InputError:  # of the spool: no fault of the file
        raise
    except _decoding_errors() as error:
        reason = in_brief(error)
        return f"{reason}; the rest after {_clock(end)} is lost" if count else reason
    return None if count else f"fewer than {FRAMES} frames"


def _decoding_errors() -> tuple[type[Exception], ...]:
    import av

    return (av.error.FFmpegError, OSError, ValueError, ArithmeticError, IndexError)


def _clips(
    file: Path, size: Size, wanted: Container[int] | None = None, places: range = range(FRAMES)
) -> Iterator[Clip]:
    """Decode a file 16 frames at a time; fewer at the end are left out.

    Only the frames at ``places`` of the clips ``wanted`` (None: all) are converted, which takes time too.
    """
    times: list[float] = []
    frames: list[NDArray[np.uint8]] = []
    for number, (time, frame) in enumerate(_decoded(file)):
        clip, place = divmod(number, FRAMES)
        times.append(time)
        if place in places and (wanted is None or clip in wanted):
            frames.append(_rgb(frame, size))
        if place == FRAMES - 1:
            yield times, frames
            times, frames = [], []


def _decoded(file: Path) -> Iterator[tuple[float, VideoFrame]]:
    """Yield the time of each frame in seconds, and the frame in the colours of the file."""
    import av

    with av.open(str(file)) as container:
        if not container.streams.video:
            raise ValueError("no pictures in it")
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        pace = 1 / float(stream.average_rate or 25)
        # How many frames a container declares says nothing: some are left out, some never were.
        for number, frame in enumerate(container.decode(stream)):
            yield (frame.time if frame.time is not None else number * pace), frame


def _rgb(frame: VideoFrame, size: Size) -> NDArray[np.uint8]:
    width, height = size((frame.width, frame.height))
    return np.asarray(frame.reformat(width=width, height=height, format="rgb24").to_ndarray(), np.uint8)


def _picture(frames: list[NDArray[np.uint8]], side: int) -> NDArray[np.uint8]:
    """Return the middle frame and the motion ``(4, side, side)``, black around them."""
    height, width = frames[0].shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    picture = np.zeros((4, side, side), np.uint8)
    inner = picture[:, top : top + height, left : left + width]
    inner[:3] = frames[FRAMES // 2].transpose(2, 0, 1)
    grey = np.stack(frames).mean(axis=3, dtype=np.float32)
    inner[3] = np.minimum(np.abs(np.diff(grey, axis=0)).mean(axis=0) * _MOTION_GAIN, 255)
    return picture


def _stamp(file: Path) -> Stamp:
    about = file.stat()
    return about.st_size, about.st_mtime_ns


def _digest(file: Path) -> bytes:
    digest = blake2b(digest_size=16)
    with file.open("rb") as content:
        while block := content.read(_HASHED):
            digest.update(block)
    return digest.digest()


def _clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds.

    >>> _clock(3723.25)
    '1:02:03.2'
    """
    tenths = int(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"
