"""Videos: clips with their times, from files as they come."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest

import dross as library
from command_line import dross
from dross.errors import InputError
from dross.sources import open_source, spool, video
from dross.sources.base import ReadOptions
from dross.sources.video import open_videos
from video_files import make_video

pytest.importorskip("av")


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mpeg4"), ("a.avi", "mjpeg"), ("a.mkv", "mpeg4")])
def test_clips_of_16_frames_with_their_times(tmp_path: Path, name: str, codec: str) -> None:
    source = open_source(make_video(tmp_path / name, n_frames=16 * 5 + 7, codec=codec, pace=20))
    assert (source.kind, len(source), source.rows.shape) == ("video", 5, (5, 4, 64, 64))
    assert source.unreadable == []
    np.testing.assert_allclose(source.spans, 0.8 * np.arange(5)[:, None] + [0, 0.8], atol=0.01)


def test_a_clip_is_its_middle_frame_and_what_moves(tmp_path: Path) -> None:
    source = open_source(make_video(tmp_path / "a.mp4", n_frames=64, odd=range(32, 48)))
    motion = np.asarray(source.rows[:])[:, 3].mean(axis=(1, 2))
    assert motion.argmax() == 2
    clips = list(source.clips(64, 48, np.arange(4)))
    middle = np.asarray(source.rows[:])[1, :3, 8:56]
    np.testing.assert_array_equal(middle, clips[1][8].transpose(2, 0, 1))
    assert np.asarray(source.rows[:])[:, :, :8].max() == 0  # a frame of 4:3 leaves bars


def test_frames_are_decoded_again_at_any_size_and_only_where_wanted(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    make_video(tmp_path / "v" / "a.mp4", n_frames=48)
    make_video(tmp_path / "v" / "b.mkv", n_frames=48, seed=1)
    source = open_source(tmp_path / "v")
    every = list(source.clips(32, 24, np.arange(6)))
    some = list(source.clips(32, 24, np.array([1, 5])))
    assert every[0].shape == (16, 24, 32, 3)
    np.testing.assert_array_equal(some[0], every[1])
    np.testing.assert_array_equal(some[1], every[5])
    frames = list(source.originals(np.asarray, np.array([0, 4])))
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 2


def test_only_the_frames_that_are_wanted_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source(make_video(tmp_path / "a.mp4", n_frames=80))
    converted = mock.Mock(wraps=video._rgb)
    monkeypatch.setattr(video, "_rgb", converted)
    assert len(list(source.clips(32, 24, np.array([1, 3])))) == 2
    assert converted.call_count == 32
    assert len(list(source.originals(np.asarray, np.array([0, 3, 4])))) == 3
    assert converted.call_count == 35


def test_files_that_change_after_the_first_reading_are_not_taken_for_what_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    make_video(folder / "a.mp4", n_frames=48)
    source = open_source(folder)
    make_video(folder / "a.mp4", n_frames=48, seed=1)
    with pytest.raises(InputError, match="v has changed while it was read"):
        next(source.clips(32, 24, np.array([0])))
    (folder / "a.mp4").unlink()
    with pytest.raises(InputError, match="v has changed while it was read"):
        next(source.originals(np.asarray, np.array([0])))


def test_damaged_files_are_listed_and_what_can_be_read_of_them_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    whole = make_video(folder / "whole.mkv", n_frames=160)
    make_video(folder / "short.mp4", n_frames=15)
    (folder / "cut.mkv").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "head.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))
    (folder / "notes.txt").write_text("what was filmed")
    source = open_source(folder)
    why = {item.id: item.reason for item in source.unreadable}
    assert why["short.mp4"] == "fewer than 16 frames"
    assert "head.mp4" in why
    counts = dict(zip(*np.unique(source.videos.astype(str), return_counts=True), strict=True))
    assert counts["whole.mkv"] == 10
    assert 0 < counts["cut.mkv"] < 10


def test_what_is_named_like_a_video_and_is_none_is_listed(tmp_path: Path) -> None:
    make_video(tmp_path / "whole.mp4", n_frames=96)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.MKV").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "notes.txt").write_text("not listed")
    source = open_videos(tmp_path, ReadOptions())
    said = {item.id: item.reason for item in source.unreadable}
    assert said == {"empty.mp4": "empty", "noise.MKV": "not a video, by its first bytes"}
    assert set(source.videos) == {"whole.mp4"}


def test_a_video_with_gaps_in_its_times_is_whole(tmp_path: Path) -> None:
    """As a camera makes them that drops frames; the container counts those that never were."""
    import av

    path = tmp_path / "gaps.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(150):
            shade = np.full((48, 64, 3), number, np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts = number + 100 * (number >= 75)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 250
    source = open_videos(path, ReadOptions())
    assert len(source) == 9
    assert not source.unreadable


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_no_damaged_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "good.mp4", n_frames=48)
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
    with pytest.raises(InputError, match=r"cannot be kept in .*: No space left"):
        open_source(path)


def test_pictures_and_sound_in_the_same_container_are_no_video(tmp_path: Path) -> None:
    make_video(tmp_path / "good.mp4", n_frames=48)
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    (tmp_path / "song.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(200))
    source = open_source(tmp_path)
    assert len(source) == 3
    assert not source.unreadable


def test_says_what_to_do(tmp_path: Path) -> None:
    path = make_video(tmp_path / "short.mp4", n_frames=5)
    assert dross("find", path).failed_with("16 readable frames", "fewer than 16 frames")
    with mock.patch.object(video, "find_spec", return_value=None):
        assert dross("find", path).failed_with("pip install 'dross[video]'")
    good = make_video(tmp_path / "good.mp4", n_frames=160)
    assert dross("find", good, "--features", "c3d").failed_with("needed is c3d:WEIGHTS")
    assert dross("find", good, "--features", "c3d:nothing.safetensors").failed_with("There is no file")
    with pytest.raises(InputError, match="cannot be read as table"):
        open_source(good, ReadOptions(kind="table"))


def test_from_the_command_line_to_curve_parquet_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    folder.mkdir()
    make_video(folder / "a.mp4", n_frames=640, odd=range(400, 448))
    make_video(folder / "b.mp4", n_frames=320, seed=0)
    out = tmp_path / "out"
    options = ("--detector", "knn", "--contamination", 0.05, "--out", out, "--quiet")
    assert dross("find", folder, *options).code == 0
    table = pq.read_table(out / "scores.parquet").to_pandas()
    assert list(table.columns[-3:]) == ["video", "start", "end"]
    flagged = table[table.is_anomaly]
    assert set(flagged.video) == {"a.mp4"}
    assert flagged.start.between(15.9, 18).all()
    assert len(flagged) == 3
    page = (out / "report.html").read_text()
    assert 'id="times"' in page
    assert "16 to 17.92" in page
    assert page.count('<polyline class="line line-time"') == 2
    scores = library.load(out / "model.dross").score(folder / "a.mp4")
    assert scores.rank[25:28].max() <= 4
    assert dross("score", out / "model.dross", folder, "--out", tmp_path / "s.csv").code == 0
    assert "start" in (tmp_path / "s.csv").read_text().splitlines()[0]


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    def peak(n_frames: int) -> int:
        source = open_source(make_video(tmp_path / f"{n_frames}.mp4", n_frames=n_frames))
        tracemalloc.start()
        n_clips = sum(1 for _ in source.clips(171, 128, np.arange(len(source))))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert n_clips == n_frames // 16
        return found

    assert peak(480) < 1.3 * peak(96)


def test_a_picture_of_a_clip_serves_pretrained_encoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setenv("DROSS_CACHE", str(tmp_path / "cache"))
    from dross.features.pretrained import Pretrained
    from tiny_encoders import make_vit

    source = open_source(make_video(tmp_path / "a.mp4", n_frames=96))
    features = Pretrained(model=str(make_vit(tmp_path / "vit")), precision="32").fit(source)
    X = features.transform(source)
    assert X.shape == (6, 12)
    frame = next(source.originals(features._images.prepare, np.array([4])))
    assert frame.shape == (3, 16, 16)
