"""Images as rows: every kind of file that people keep in image folders, and arrays."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import textwrap
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dross.errors import InputError
from dross.sources import images, spool
from dross.sources.archives import WalkLog, walk
from dross.sources.base import ReadOptions, RowSource
from dross.sources.decoding import decode
from dross.sources.images import ImageSource, image_array, open_images
from dross.sources.resizing import ResizedRows, fit_inside, letterbox


def encode(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(width: int, height: int, seed: int = 0, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


def plain(color: Any, mode: str = "RGB", size: tuple[int, int] = (32, 32)) -> Image.Image:
    return Image.new(mode, size, color)


def open_folder(path: Path, files: dict[str, bytes], **options: Any) -> ImageSource:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return open_images(path, ReadOptions(**options))


def pixel(content: bytes, place: tuple[int, int] = (8, 8), size: int = 16) -> list[int]:
    picture = decode(content, size)
    assert not isinstance(picture, str), picture
    return picture.row[:, place[0], place[1]].tolist()


# -- one file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"])
def test_formats(form: str) -> None:
    picture = decode(encode(plain((200, 100, 50)), form), 16)
    assert not isinstance(picture, str)
    assert picture.format == form
    assert np.abs(picture.row[:, 8, 8].astype(int) - [200, 100, 50]).max() < 12


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (plain(1, "1"), [255, 255, 255]),
        (plain(77, "L"), [77, 77, 77]),
        (plain((77, 128), "LA"), [166, 166, 166]),
        (plain((255, 0, 0, 0), "RGBA"), [255, 255, 255]),
        (plain((255, 0, 0, 255), "RGBA"), [255, 0, 0]),
        (plain((9, 99, 199)).quantize(4), [9, 99, 199]),
        (Image.fromarray(np.full((32, 32), 40_000, np.uint16)), [156, 156, 156]),
        (Image.fromarray(np.full((32, 32), 65_535, np.uint16)), [255, 255, 255]),
    ],
)
def test_modes_of_png(image: Image.Image, expected: list[int]) -> None:
    assert pixel(encode(image)) == expected


@pytest.mark.parametrize("change", ["other", "no image", "swapped", "gone", "all gone"])
def test_files_that_change_after_the_first_reading_are_not_taken_for_what_they_were(
    change: str, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    source = open_folder(folder, {f"{i}.png": encode(noise(20, 20, seed=i)) for i in range(4)})
    assert len(list(source.originals(np.asarray, np.array([0, 2])))) == 2
    if change == "other":
        (folder / "2.png").write_bytes(encode(noise(20, 20, seed=9)))
    elif change == "no image":
        (folder / "2.png").write_bytes(b"no image")
    elif change == "swapped":
        (folder / "0.png").rename(folder / "kept")
        (folder / "2.png").rename(folder / "0.png")
        (folder / "kept").rename(folder / "2.png")
    else:
        for name in ("0.png", "2.png") if change == "all gone" else ("0.png",):
            (folder / name).unlink()
    with pytest.raises(InputError, match="some has changed while it was read"):
        list(source.originals(np.asarray, np.array([0, 2])))


def test_only_the_wanted_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_folder(tmp_path / "some", {f"{i}.png": encode(noise(20, 20, seed=i)) for i in range(4)})
    read: list[str] = []

    def watched(path: Path, log: WalkLog, want: Any) -> Any:
        return walk(path, log, lambda name, head: want(name, head) and not read.append(name))

    monkeypatch.setattr(images, "walk", watched)
    list(source.originals(np.asarray, np.array([1, 3])))
    assert read == ["1.png", "3.png"]


def with_odd_metadata(image: Image.Image) -> bytes:
    """Return a PNG of which Pillow warns: it says that it is animated, with no frame."""
    content = encode(image)
    chunk = b"acTL" + bytes(8)
    return content[:33] + bytes([0, 0, 0, 8]) + chunk + zlib.crc32(chunk).to_bytes(4, "big") + content[33:]


def test_files_read_again_warn_of_nothing_and_hide_no_warning(tmp_path: Path) -> None:
    odd = with_odd_metadata(noise(20, 20))
    with pytest.warns(UserWarning, match="Invalid APNG"):
        Image.open(io.BytesIO(odd))
    source = open_folder(tmp_path / "some", {f"{i}.png": odd for i in range(3)})
    filters, entries = warnings.filters, list(warnings.filters)
    first, second = (source.originals(np.asarray, np.arange(3)) for _ in range(2))
    next(first)
    next(second)
    with pytest.raises(UserWarning, match="of another"):
        warnings.warn("of another", stacklevel=1)
    assert [len(list(rest)) for rest in (first, second)] == [2, 2]
    assert warnings.filters is filters
    assert list(filters) == entries


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    for form in ("PNG", "TIFF"):
        picture = decode(encode(Image.fromarray(ramp), form), 64)
        assert not isinstance(picture, str)
        np.testing.assert_allclose(picture.row[0, 0], ramp[0] / 257, atol=0.51)
        assert not picture.stretched


def test_a_palette_with_transparency_becomes_white_there() -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (0, 0, 32, 16))
    content = encode(image, transparency=0)
    assert pixel(content, (4, 8)) == [0, 255, 0]
    assert pixel(content, (12, 8)) == [255, 255, 255]


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk(form: str) -> None:
    red, green, blue = pixel(encode(plain((0, 255, 255, 0), "CMYK"), form))
    assert red > 200
    assert max(green, blue) < 60


def test_floats_are_stretched_and_say_so() -> None:
    values = np.tile(np.linspace(-3, 5, 32, dtype=np.float32), (32, 1))
    values[0, 0], values[0, 1] = np.nan, np.inf
    picture = decode(encode(Image.fromarray(values), "TIFF"), 32)
    assert not isinstance(picture, str)
    assert picture.stretched
    assert picture.row[0, 9].tolist() == np.round(np.arange(32) * 255 / 31).astype(int).tolist()
    assert picture.row[0, 0, :2].tolist() == [0, 255]
    assert (
        decode(encode(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF"), 16)
        == "no finite value"
    )


def test_wide_integers() -> None:
    narrow = decode(encode(Image.fromarray(np.full((20, 20), 65535, np.int32)), "TIFF"), 16)
    wide = decode(
        encode(Image.fromarray(np.arange(400, dtype=np.int32).reshape(20, 20) * 1000 - 5), "TIFF"), 20
    )
    assert not isinstance(narrow, str)
    assert not isinstance(wide, str)
    assert (narrow.stretched, int(narrow.row.min())) == (False, 255)
    assert (wide.stretched, int(wide.row.min()), int(wide.row.max())) == (True, 0, 255)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_honoured(form: str) -> None:
    image = plain((0, 0, 0), size=(60, 30))
    image.paste((255, 255, 255), (0, 0, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise: the left becomes the top
    picture = decode(encode(image, form, exif=exif), 60)
    assert not isinstance(picture, str)
    assert picture.row[0, 10, 30] > 240
    assert picture.row[0, 50, 30] < 15


def test_the_first_of_several_frames_is_read() -> None:
    frames = [plain((255, 0, 0)), plain((0, 255, 0)), plain((0, 0, 255))]
    for form in ("GIF", "WEBP", "TIFF", "PNG"):
        content = encode(frames[0], form, save_all=True, append_images=frames[1:])
        picture = decode(content, 16)
        assert not isinstance(picture, str)
        assert picture.several_frames, form
        assert picture.row[0, 8, 8] > 240, form
        assert picture.row[1:, 8, 8].max() < 15, form
    single = decode(encode(frames[0]), 16)
    assert not isinstance(single, str)
    assert not single.several_frames


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files_give_a_reason(form: str, share: float) -> None:
    content = encode(noise(80, 60), form)
    reason = decode(content[: int(len(content) * share)], 16)
    assert isinstance(reason, str)
    assert reason


def test_no_images_give_a_reason() -> None:
    assert decode(b"", 16) == "zero bytes"
    assert decode(b"plain text", 16) == "not an image, or its header is damaged"
    assert decode(encode(plain(0, "L"))[:6], 16) == "not an image, or its header is damaged"


def test_jpegs_are_decoded_small_but_look_the_same() -> None:
    smooth = noise(12, 9).resize((1200, 900), Image.Resampling.BICUBIC)
    small, whole = decode(encode(smooth, "JPEG", quality=95), 32), letterbox(smooth, 32)
    assert not isinstance(small, str)
    assert np.abs(small.row.astype(int) - whole).mean() < 4


@settings(max_examples=60, deadline=None)
@given(data=st.data(), form=st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF"]))
def test_damaged_files_never_raise(data: st.DataObject, form: str) -> None:
    content = bytearray(encode(noise(24, 20), form))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    picture = decode(bytes(content[: data.draw(st.integers(1, len(content)))]), 16)
    assert isinstance(picture, str) or picture.row.shape == (3, 16, 16)


# -- letterboxing --------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    size=st.integers(16, 70),
    mode=st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"]),
)
def test_any_size_and_mode_becomes_a_square(width: int, height: int, size: int, mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((height, width), 30_000, np.uint16))
    else:
        image = (
            noise(width, height, mode="RGB").convert("L" if mode in ("F", "LA", "1") else "RGB").convert(mode)
        )
    picture = decode(encode(image, "TIFF"), size)
    assert not isinstance(picture, str)
    assert picture.row.shape == (3, size, size)
    assert picture.row.dtype == np.uint8
    assert picture.size == (width, height)


@settings(max_examples=80, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300), size=st.integers(16, 80))
def test_the_aspect_is_kept(width: int, height: int, size: int) -> None:
    fitted = fit_inside((width, height), size)
    scale = size / max(width, height)
    assert max(fitted) == size
    assert all(
        abs(got - max(1, side * scale)) <= 0.5 for got, side in zip(fitted, (width, height), strict=True)
    )
    image = plain((0, 0, 0), size=(width, height))
    image.paste((255, 255, 255), (0, 0, (width + 1) // 2, height))
    row = letterbox(image, size)
    top, left = (size - fitted[1]) // 2, (size - fitted[0]) // 2
    inside = np.zeros((size, size), bool)
    inside[top : top + fitted[1], left : left + fitted[0]] = True
    assert len(np.unique(row[:, ~inside], axis=1).T) <= 1  # one colour all round
    expected = np.asarray(image.resize(fitted, Image.Resampling.BILINEAR)).transpose(2, 0, 1).reshape(3, -1)
    assert np.abs(row[:, inside].astype(int) - expected).mean() < 16


def test_the_rest_takes_the_colour_of_the_border() -> None:
    image = plain((10, 20, 30), size=(40, 10))
    image.paste((255, 255, 255), (2, 2, 38, 8))
    row = letterbox(image, 40)
    assert row[:, 0, 0].tolist() == row[:, 39, 39].tolist() == row[:, 15, 0].tolist() == [10, 20, 30]
    assert row[:, 20, 20].tolist() == [255, 255, 255]


def test_an_image_of_the_right_size_is_not_touched() -> None:
    image = noise(28, 28)
    np.testing.assert_array_equal(letterbox(image, 28), np.asarray(image).transpose(2, 0, 1))


# -- folders and archives ------------------------------------------------------------------------------------


def test_a_mixed_folder(tmp_path: Path) -> None:
    good = encode(noise(50, 30))
    source = open_folder(
        tmp_path,
        {
            "a/ünï.png": good,
            "a/copy.png": good,
            "b.jpg": encode(noise(40, 20, 1), "PNG"),
            "c": encode(noise(20, 20, 2), "BMP"),
            "d.gif": encode(plain(0), "GIF", save_all=True, append_images=[plain((9, 9, 9))]),
            "e.tif": encode(Image.fromarray(np.eye(20, dtype=np.float32)), "TIFF"),
            "cut.png": good[:100],
            "empty.jpeg": b"",
            "text.png": b"plain text",
            "notes.txt": b"plain text",
            "x.xml": b"<a>",
            ".hidden.png": good,
        },
    )
    assert source.ids.tolist() == ["a/copy.png", "a/ünï.png", "b.jpg", "c", "d.gif", "e.tif"]
    assert source.rows.shape == (6, 3, 50, 50)
    assert source.rows.dtype == np.uint8
    assert (source.kind, source.family, len(source), source.name) == ("image", "image", 6, tmp_path.name)
    assert {item.id: item.reason.split(" ")[0] for item in source.unreadable} == {
        "cut.png": "image",
        "empty.jpeg": "zero",
        "text.png": "not",
    }
    assert source.notes == [
        "6 images (BMP, GIF, PNG, TIFF), fitted into 50 x 50 pixels, in colour",
        "1 images are exact duplicates of another",
        "1 files have several pages or frames; the first was read",
        "1 files have the suffix of another image format; they were read",
        "1 images of floats or 32-bit integers were stretched to their own range",
        "passed over 2 files that are no images (1 .txt, 1 .xml)",
        "passed over 1 hidden files or folders",
    ]
    assert source.facts["duplicates"] == 1
    assert source.facts["widths"] == [20, 50]
    assert source.take([5, 0]).to_pylist() == [
        {"path": "e.tif", "width": 20, "height": 20},
        {"path": "a/copy.png", "width": 50, "height": 30},
    ]
    assert isinstance(source.rows, RowSource)


def test_folder_zip_and_tar_give_equal_rows(tmp_path: Path) -> None:
    files = {f"{i}.png": encode(noise(20 + i, 30, i)) for i in range(7)}
    folder = open_folder(tmp_path / "f", files)
    with (
        zipfile.ZipFile(tmp_path / "x.zip", "w") as zipped,
        tarfile.open(tmp_path / "x.tgz", "w:gz") as tarred,
    ):
        for name in files:
            zipped.write(tmp_path / "f" / name, name)
            tarred.add(tmp_path / "f" / name, name)
        zipped.write(tmp_path / "f" / "0.png", "inner.zip")  # named like an archive, read as what it is
    for name in ("x.zip", "x.tgz"):
        other = open_images(tmp_path / name, ReadOptions())
        np.testing.assert_array_equal(other.rows[:7], folder.rows[:])
        assert other.ids[:7].tolist() == folder.ids.tolist()
        assert other.facts["format"] == {"x.zip": "zip", "x.tgz": "tar"}[name]


def test_an_archive_inside_is_passed_over(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as inner:
        inner.writestr("a.png", encode(plain(0)))
    source = open_folder(tmp_path, {"a.png": encode(plain(0)), "in.zip": buffer.getvalue()})
    assert source.ids.tolist() == ["a.png"]
    assert source.notes[-1] == "passed over 1 files that are no images (1 .zip)"


def test_one_file(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encode(noise(100, 50)))
    source = open_images(tmp_path / "one.png", ReadOptions(image_size=32))
    assert source.ids.tolist() == ["one.png"]
    assert source.rows.shape == (1, 3, 32, 32)


def test_channels_are_one_only_if_all_are_grey(tmp_path: Path) -> None:
    grey = {f"{i}.png": encode(plain(i, "L" if i % 2 else "RGB")) for i in range(4)}
    grey["2.png"] = encode(plain((2, 2, 2)))
    grey["0.png"] = encode(plain((0, 0, 0)))
    assert open_folder(tmp_path / "grey", grey).rows.shape == (4, 1, 32, 32)
    mixed = open_folder(tmp_path / "mixed", {**grey, "9.png": encode(plain((9, 8, 7)))})
    assert mixed.rows.shape == (5, 3, 32, 32)
    # the grey rows written before the first colour are widened
    assert mixed.rows[:, :, 0, 0].tolist() == [[0] * 3, [1] * 3, [2] * 3, [3] * 3, [9, 8, 7]]


def test_channels_can_be_forced(tmp_path: Path) -> None:
    files = {"a.png": encode(plain(100, "L")), "b.png": encode(plain((255, 0, 0)))}
    one = open_folder(tmp_path, files, channels=1)
    assert one.rows[:, :, 0, 0].tolist() == [[100], [76]]
    assert np.asarray(Image.new("RGB", (1, 1), (255, 0, 0)).convert("L")).item() == 76
    (tmp_path / "b.png").unlink()
    assert open_images(tmp_path, ReadOptions(channels=3)).rows.shape == (1, 3, 32, 32)
    with pytest.raises(InputError, match="4 are needed"):
        open_images(tmp_path, ReadOptions(channels=4))


@pytest.mark.parametrize(
    ("sides", "expected"), [((5, 9), 16), ((28, 20), 28), ((28, 90), 64), ((64, 64), 64)]
)
def test_the_size_comes_from_the_images(tmp_path: Path, sides: tuple[int, int], expected: int) -> None:
    files = {f"{i}.png": encode(plain(0, size=(side, side))) for i, side in enumerate(sides)}
    assert open_folder(tmp_path, files).facts["image_size"] == expected


def test_a_size_below_16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 16"):
        open_folder(tmp_path, {"a.png": encode(plain(0))}, image_size=8)


@pytest.mark.filterwarnings("error")
def test_bombs_are_listed_without_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)
    source = open_folder(
        tmp_path,
        {
            "error.png": encode(plain(0, size=(100, 100))),
            "warning.png": encode(plain(0, size=(60, 50))),
            "fine.png": encode(plain(0, size=(40, 50))),
        },
    )
    assert source.ids.tolist() == ["fine.png"]
    assert [(item.id, item.reason) for item in source.unreadable] == [
        ("error.png", "more than 2,000 pixels"),
        ("warning.png", "more than 2,000 pixels"),
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"text"}, r"holds no images; they must be .*PNG.* \(passed over 1 files"),
        ({}, "holds no images"),
        ({"a.png": b"", "b.png": b"text"}, "no readable image; the first of 2 is a.png: zero bytes"),
    ],
)
def test_nothing_readable(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_folder(tmp_path, files)


def test_a_link_loop_ends(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    assert open_folder(tmp_path, {"a.png": encode(plain(0))}).ids.tolist() == ["a.png"]


def test_a_truncated_archive_keeps_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for i in range(10):
            content = encode(noise(40, 40, i))
            info = tarfile.TarInfo(f"{i}.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = open_images(path, ReadOptions())
    assert 3 <= len(source) <= 5
    assert any("damaged or cut off" in note for note in source.notes)


def test_the_cache_leaves_no_file(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    source = open_folder(tmp_path / "f", {"a.png": encode(plain(0))}, cache_dir=cache)
    assert isinstance(source.rows, np.memmap)
    assert not source.rows.flags.writeable
    assert not list(cache.iterdir())
    with pytest.raises(InputError, match=r"cannot be kept in .*none"):
        open_images(tmp_path / "f", ReadOptions(cache_dir=tmp_path / "none"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool.tempfile, "TemporaryFile", lambda **_: io.FileIO("/dev/full", "wb"))
    with pytest.raises(InputError, match="No space left"):
        open_folder(tmp_path, {"a.png": encode(plain(0))})


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """60 images of 3 MB each, packed as well as decoded, need nothing like 180 MB."""
    content = encode(noise(1000, 1000), compress_level=0)
    for i in range(60):
        (tmp_path / f"{i}.png").write_bytes(content)
    code = f"""
        import resource
        from pathlib import Path
        from dross.sources.images import open_images, ReadOptions
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        source = open_images(Path({str(tmp_path)!r}), ReadOptions())
        assert source.rows.shape == (60, 3, 64, 64)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    assert int(done.stdout) / 1024 < 80  # KiB there


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "count", "unwanted"),
    [("caltech101_11", 1281, 0), ("cats_dogs_128", 1399, 0), ("bccd", 364, 369)],
)
def test_real_archives(data_dir: Path, name: str, count: int, unwanted: int) -> None:
    source = open_images(data_dir / f"{name}.tar.gz", ReadOptions())
    assert source.rows.shape == (count, 3, 64, 64)
    assert not source.unreadable
    assert any(note.startswith(f"passed over {unwanted} ") for note in source.notes) == bool(unwanted)
    assert np.asarray(source.rows).std() > 15


# -- arrays --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 20, 30), (5, 1, 20, 30)),
        ((5, 3, 20, 30), (5, 3, 20, 30)),
        ((5, 20, 30, 4), (5, 4, 20, 30)),
        ((5, 1, 16, 16), (5, 1, 16, 16)),
        ((5, 16, 16, 1), (5, 1, 16, 16)),
    ],
)
def test_layouts_of_arrays(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    array = np.arange(np.prod(shape)).reshape(shape)
    source = image_array(array, "demo", ReadOptions())
    assert source.rows.shape == expected
    assert np.shares_memory(source.rows, array)
    assert (source.kind, source.family) == ("array", "image")
    assert source.ids.tolist() == [0, 1, 2, 3, 4]
    assert source.take([3, 1]).to_pylist() == [{"row": 3}, {"row": 1}]


@pytest.mark.parametrize(
    "shape", [(5, 20), (5, 2, 20, 20), (5, 20, 20, 2), (5, 3, 20, 0), (0, 20, 20), (2, 3, 4, 5, 6)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"demo has shape .* images need \(n, h, w\)"):
        image_array(np.zeros(shape), "demo", ReadOptions())


@pytest.mark.parametrize("dtype", [object, "U3", complex, "M8[s]"])
def test_other_types_are_refused(dtype: Any) -> None:
    with pytest.raises(InputError, match="images need numbers"):
        image_array(np.zeros((5, 20, 20), dtype), "demo", ReadOptions())


def test_a_memory_map_stays_one(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((6, 16, 16, 3), np.float32))
    source = image_array(np.load(tmp_path / "x.npy", mmap_mode="r"), "x", ReadOptions())
    assert isinstance(source.rows, np.memmap)


def test_odd_rows_of_arrays_are_counted() -> None:
    array = np.random.default_rng(0).normal(size=(6, 16, 16))
    array[4] = array[2]
    array[1, 3, 3], array[5, 0, 0] = np.nan, -np.inf
    source = image_array(array, "demo", ReadOptions())
    assert source.notes[1:] == [
        "1 images are exact duplicates of another",
        "2 images hold NaN or infinite values, which count as missing",
    ]
    assert (source.facts["duplicates"], source.facts["rows_not_finite"]) == (1, 2)


def test_small_arrays_are_enlarged() -> None:
    array = np.random.default_rng(0).normal(size=(6, 8, 8)).astype(np.float32)
    source = image_array(array, "demo", ReadOptions())
    assert source.rows.shape == (6, 1, 16, 16)
    assert source.notes[-1] == "the images are resized to 16 x 16 pixels"
    batch = source.rows[np.array([4, 1])]
    expected = np.asarray(Image.fromarray(array[4]).resize((16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(batch[0, 0], expected, atol=1e-5)
    np.testing.assert_array_equal(source.rows[1:2], batch[1:])


def test_arrays_can_be_resized_and_keep_their_aspect() -> None:
    array = np.zeros((6, 40, 80, 3), np.uint8)
    array[..., 10:30, 20:60, :] = 200
    rows = image_array(array, "demo", ReadOptions(image_size=40)).rows
    assert rows.shape == (6, 3, 40, 40)
    one = rows[0:1][0, 0]
    assert one[20, 20] == 200
    assert one[11, 20] == one[20, 5] == 0
    assert rows.shape[0] == len(rows) == 6
    np.testing.assert_array_equal(
        image_array(array[:, :40, :40], "d", ReadOptions(image_size=40)).rows,
        np.moveaxis(array[:, :40, :40], 3, 1),
    )


def test_missing_values_stay_out_of_the_interpolation() -> None:
    array = np.full((1, 1, 8, 8), 3.0)
    array[0, 0, 2, 2] = np.nan
    array[0, 0, 6, 6] = np.inf
    np.testing.assert_allclose(ResizedRows(array, 16)[:], 3.0, rtol=1e-6)
    assert np.isnan(ResizedRows(np.full((1, 1, 8, 8), np.nan), 16)[:]).all()
    huge = np.full((1, 1, 8, 8), 3.0)
    huge[0, 0, 4, 4] = 1e300  # too large for float32
    np.testing.assert_allclose(ResizedRows(huge, 16)[:], 3.0, rtol=1e-6)


@pytest.mark.data
def test_mnist_stays_as_it_is(data_dir: Path) -> None:
    with np.load(data_dir / "mnist.npz") as archive:
        array = archive["x_test"]
    source = image_array(array, "mnist.npz", ReadOptions())
    assert source.rows.shape == (10_000, 1, 28, 28)
    assert np.shares_memory(source.rows, array)
