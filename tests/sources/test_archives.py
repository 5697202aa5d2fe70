"""Walking folders, zips and tars: what is read, what is passed over, and that nothing crashes."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dross.errors import InputError
from dross.sources import archives
from dross.sources.archives import WalkLog, archive_format, looks_like_image, looks_like_text, peek, walk

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
FILES = {"a.txt": b"one", "deep/er/ä ö.txt": b"two" * 3000, "deep/z": b"", "z.txt": b"three"}


def read(path: Path) -> tuple[dict[str, bytes], WalkLog]:
    log = WalkLog()
    return dict(walk(path, log)), log


def reasons(log: WalkLog) -> dict[str, str]:
    return {item.id: item.reason for item in log.unreadable}


def make_folder(path: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def make_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes] = FILES, mode: Any = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_folder_and_archives_give_the_same_files_in_order(tmp_path: Path) -> None:
    makers: dict[str, Callable[[Path], Path]] = {
        "folder": make_folder,
        "x.zip": make_zip,
        "x.tar": lambda path: make_tar(path, mode="w"),
        "x.tar.gz": make_tar,
        "x.tar.bz2": lambda path: make_tar(path, mode="w:bz2"),
        "x.tar.xz": lambda path: make_tar(path, mode="w:xz"),
        "no suffix": make_tar,
    }
    for name, make in makers.items():
        files, log = read(make(tmp_path / name))
        assert list(files.items()) == list(FILES.items()), name
        assert log == WalkLog(), name


def test_archives_keep_their_own_order(tmp_path: Path) -> None:
    files = {"b": b"1", "a": b"2"}
    assert list(read(make_zip(tmp_path / "x.zip", files))[0]) == ["b", "a"]
    assert list(read(make_tar(tmp_path / "x.tgz", files))[0]) == ["b", "a"]
    assert list(read(make_folder(tmp_path / "x", files))[0]) == ["a", "b"]


def test_a_plain_file_is_its_only_member(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_bytes(b"1")
    assert read(path)[0] == {"one.txt": b"1"}


def test_hidden_files_are_counted_and_passed_over(tmp_path: Path) -> None:
    files = {
        "a.txt": b"1",
        ".hidden": b"2",
        ".git/x": b"3",
        "b/.x/y": b"4",
        "__MACOSX/a.txt": b"5",
        "b/Thumbs.db": b"6",
    }
    for path in (
        make_folder(tmp_path / "f", files),
        make_zip(tmp_path / "x.zip", files),
        make_tar(tmp_path / "x.tar", files),
    ):
        found, log = read(path)
        assert found == {"a.txt": b"1"}
        assert log.hidden == 5
        assert log.notes("texts") == ["passed over 5 hidden files or folders"]


def test_unwanted_files_are_counted_by_suffix_and_not_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "f", {"a.png": PNG, "b.xml": b"<a>", "c.XML": b"<a>", "d": b"?"})
    log = WalkLog()
    found = dict(walk(folder, log, lambda name, head: head == PNG))
    assert list(found) == ["a.png"]
    assert log.notes("images") == ["passed over 3 files that are no images (2 .xml, 1 without suffix)"]


def test_links_in_folders(tmp_path: Path) -> None:
    outside = make_folder(tmp_path / "outside", {"o.txt": b"o", "in/i.txt": b"i"})
    root = make_folder(tmp_path / "root", {"a.txt": b"a", "sub/b.txt": b"b"})
    (outside / "back").symlink_to(outside)
    (root / "sub/loop").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "again").symlink_to(root / "sub")
    (root / "more").symlink_to(outside)
    (root / "more2").symlink_to(outside)
    (root / "file").symlink_to(outside / "o.txt")
    (root / "nowhere").symlink_to(root / "missing")
    os.mkfifo(root / "pipe")
    found, log = read(root)
    assert found == {
        "a.txt": b"a",
        "file": b"o",
        "more/in/i.txt": b"i",
        "more/o.txt": b"o",
        "sub/b.txt": b"b",
    }
    assert log.links == 4
    assert reasons(log) == {
        "nowhere": "a link that leads nowhere",
        "self": "a link that leads nowhere",
        "pipe": "no regular file",
    }


def test_links_and_special_files_in_a_tar_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("sym", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("empty"))
    found, log = read(path)
    assert found == {"empty": b""}
    assert reasons(log)["sym"] == reasons(log)["hard"] == "a link, and links in archives are not followed"
    assert reasons(log)["pipe"] == "no regular file"


def test_a_link_in_a_zip_is_listed(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert reasons(read(path)[1]) == {"link": "a link, and links in archives are not followed"}


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", "..\\x", "C:\\x", "C:/x"])
def test_names_that_lead_out_are_listed(tmp_path: Path, name: str) -> None:
    files = {name: b"1", "fine": b"2"}
    for path in (make_zip(tmp_path / "x.zip", files), make_tar(tmp_path / "x.tar", files)):
        found, log = read(path)
        assert found == {"fine": b"2"}
        assert [item.reason for item in log.unreadable] == ["an absolute name or one with '..'"]


def test_a_name_with_dots_alone_is_fine(tmp_path: Path) -> None:
    files = {"a..b": b"1", "c/...": b"2"}
    assert read(make_tar(tmp_path / "x.tar", files))[0] == files


def test_names_are_brought_to_one_form(tmp_path: Path) -> None:
    assert list(read(make_tar(tmp_path / "x.tar", {"./a//b": b"1"}))[0]) == ["a/b"]


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    make_folder(tmp_path / "f", {name: b"1"})
    found, _ = read(tmp_path / "f")
    assert found == {"caf\\xe9": b"1"}
    assert read(make_tar(tmp_path / "x.tar", {name: b"1"}))[0] == {"caf\\xe9": b"1"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_file_of_one_name_is_listed(tmp_path: Path) -> None:
    zipped, tarred = tmp_path / "x.zip", tmp_path / "x.tar"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("a", b"1")
        archive.writestr("a", b"2")
    with tarfile.open(tarred, "w") as tar:
        tar.addfile(tarfile.TarInfo("a"))
        tar.addfile(tarfile.TarInfo("./a"))
    for path in (zipped, tarred):
        found, log = read(path)
        assert len(found) == 1
        assert reasons(log) == {"a": "a second file of this name"}


def test_an_encrypted_member_is_listed(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a": b"1", "b": b"2"})
    content = bytearray(path.read_bytes())
    content[content.find(b"PK\x01\x02") + 8] |= 1  # the flag in the first entry of the directory
    path.write_bytes(content)
    found, log = read(path)
    assert found == {"b": b"2"}
    assert reasons(log) == {"a": "encrypted"}


def test_a_damaged_member_of_a_zip_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"precious")
        archive.writestr("b", b"fine")
    path.write_bytes(path.read_bytes().replace(b"precious", b"PRECIOUS"))
    found, log = read(path)
    assert found == {"b": b"fine"}
    assert "CRC" in reasons(log)["a"]


def test_huge_files_are_listed_whatever_they_declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_FILE", 10_000)
    files = {"bomb": bytes(20_000), "fits": bytes(10_000), "small": b"1"}
    for path in (
        make_folder(tmp_path / "f", files),
        make_zip(tmp_path / "x.zip", files),
        make_tar(tmp_path / "x.tar.xz", files, "w:xz"),
    ):
        found, log = read(path)
        assert list(found) == ["fits", "small"]
        assert reasons(log) == {"bomb": "larger than 0 MiB"}
    lying = tmp_path / "lying.zip"
    make_zip(lying, {"bomb": bytes(20_000)})
    lying.write_bytes(lying.read_bytes().replace((20_000).to_bytes(4, "little"), (20).to_bytes(4, "little")))
    found, log = read(lying)
    assert not found
    assert log.unreadable


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_a_truncated_tar_still_holds_is_kept(tmp_path: Path, mode: str) -> None:
    random = os.urandom(100_000)
    path = make_tar(
        tmp_path / "x.tar", {f"{i}": random[i * 9_000 : (i + 1) * 9_000] for i in range(10)}, mode
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if mode == "w:bz2":  # one block holds it all
        with pytest.raises(InputError, match="damaged"):
            read(path)
        return
    found, log = read(path)
    assert 1 <= len(found) <= 6
    assert log.damage is not None
    assert "is damaged or cut off after its first" in log.notes("texts")[0]


def test_a_damaged_header_inside_a_tar_is_no_end(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tar", {"a": b"1", "b": b"2", "c": b"3"}, "w")
    content = bytearray(path.read_bytes())
    content[1024:1034] = b"garbage!!!"
    path.write_bytes(content)
    found, log = read(path)
    assert found == {"a": b"1"}
    assert log.damage is not None


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tar"])
@pytest.mark.parametrize(
    "content", [b"", b"no archive at all", b"PK\x03\x04 and then nothing", b"\x1f\x8b\x08"]
)
def test_a_name_like_an_archive_is_held_to_it(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match="named like an archive"):
        list(walk(path, WalkLog()))


def test_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        list(walk(tmp_path / "none", WalkLog()))


def test_a_compressed_tar_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_tar(tmp_path / "x.tar.gz", {str(i): os.urandom(3000) for i in range(300)})

    class Counting(io.FileIO):
        total = 0

        def readinto(self, buffer: Any) -> int:
            count = super().readinto(buffer) or 0
            Counting.total += count
            return count

    original = tarfile.open
    with io.BufferedReader(Counting(path)) as file:
        monkeypatch.setattr(tarfile, "open", lambda path, mode: original(fileobj=file, mode=mode))
        assert sum(1 for _ in archives._tar_entries(path, WalkLog())) == 300
    assert Counting.total < 2 * path.stat().st_size


def test_nothing_is_written_and_nothing_changed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "f")
    make_zip(tmp_path / "x.zip")
    make_tar(tmp_path / "x.tar")
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}
    for path in (folder, tmp_path / "x.zip", tmp_path / "x.tar"):
        read(path)
        peek(path)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")} == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["zip", "tar", "gz", "xz"]))
def test_damage_never_raises_anything_but_an_input_error(
    tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    path = tmp_path / f"x.{kind}"
    files = {f"{i}.txt": bytes([i]) * 700 for i in range(5)}
    if kind == "zip":
        make_zip(path, files)
    else:
        make_tar(path, files, {"tar": "w", "gz": "w:gz", "xz": "w:xz"}[kind])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read(path)
        peek(path)
    except InputError:
        pass


def test_peek(tmp_path: Path) -> None:
    assert peek(make_folder(tmp_path / "a", {"1": PNG, "2.xml": b"<a>", "3.txt": b"x", "4": b""})) == "image"
    assert (
        peek(make_zip(tmp_path / "b.zip", {"1": b"text", "2": PNG, **{f"t{i}": b"text" for i in range(9)}}))
        == "text"
    )
    assert peek(make_tar(tmp_path / "c.tar", {"1": b"\0\1\2", "2": b"\0"})) is None
    assert peek(make_zip(tmp_path / "d.docx", {"[Content_Types].xml": b"<a>", "w.xml": b"<a>"})) is None
    (tmp_path / "empty").mkdir()
    assert peek(tmp_path / "empty") is None
    (tmp_path / "plain.txt").write_text("text")
    assert peek(tmp_path / "plain.txt") is None


def test_peek_looks_beyond_many_annotations(tmp_path: Path) -> None:
    files = {f"Annotations/{i:04}.xml": b"<a>" for i in range(1200)} | {
        f"JPEG/{i:04}": PNG for i in range(1200)
    }
    assert peek(make_tar(tmp_path / "x.tar", files)) == "image"


def test_signatures() -> None:
    heads = [
        PNG,
        b"\xff\xd8\xff\xe0",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"RIFF\0\0\0\0WEBP",
        b"P5\n",
        b"BM" + bytes(12) + b"(\0\0\0",
    ]
    assert all(map(looks_like_image, heads))
    assert not any(map(looks_like_image, [b"", b"BMW", b"RIFF\0\0\0\0WAVE", b"Pilot", b"P9 ", b"plain text"]))
    assert all(
        map(looks_like_text, [b"", b"abc\r\n\t", "ä".encode(), "ä".encode("latin-1"), "ä".encode("utf-16")])
    )
    assert not any(map(looks_like_text, [b"\0", b"text\0", bytes(range(1, 256))]))


def test_archive_format(tmp_path: Path) -> None:
    assert archive_format(make_zip(tmp_path / "x.zip")) == "zip"
    assert archive_format(make_tar(tmp_path / "x")) == "tar"
    assert archive_format(tmp_path) is None
    png = tmp_path / "polyglot.png"  # a zip at its end makes an image no archive
    png.write_bytes(PNG + (tmp_path / "x.zip").read_bytes())
    assert archive_format(png) is None
