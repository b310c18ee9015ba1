import gzip
import hashlib
import http.server
import io
import logging
import os
import sys
import threading
import time

import pooch
import pytest

from chainrule import atomic
from chainrule.data import download
from chainrule.data.download import MnistFile, download_mnist
from chainrule.errors import DownloadError, OutputError

CONTENTS = {name: name.encode() * 50_000 for name in ("first-file", "second-file")}
PACKED = {f"/{name}.gz": gzip.compress(content) for name, content in CONTENTS.items()}
FILES = tuple(
    MnistFile(
        name,
        len(content),
        hashlib.sha256(content).hexdigest(),
        hashlib.sha256(PACKED[f"/{name}.gz"]).hexdigest(),
    )
    for name, content in CONTENTS.items()
)


class Mirror(http.server.ThreadingHTTPServer):
    """A mirror on this machine; `answer` is what it does with a GET for a path."""

    daemon_threads = True

    def __init__(self, answer):
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                mirror.requests.append(("HEAD", self.path))
                self.send_response(200)
                self.end_headers()

            def do_GET(self):
                mirror.requests.append(("GET", self.path))
                answer(self)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def gets(self):
        return [path for method, path in self.requests if method == "GET"]

    def handle_error(self, *_):  # a client that hangs up is what is being tested
        pass


def send(handler, body, status=200, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def good(handler):
    send(handler, PACKED[handler.path])


def status(code, **headers):
    return lambda handler: send(handler, b"<html>no</html>", code, **headers)


def wrong_bytes(handler):
    send(handler, gzip.compress(b"something else"))


def cut_short(handler):
    send(handler, PACKED[handler.path][:-100], length=len(PACKED[handler.path]))
    handler.close_connection = True


def silent(handler):
    handler.server.released.wait(10)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.released.is_set():
        handler.wfile.write(bytes(1 << 16))


def dripping(handler):
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b"x")
        handler.wfile.flush()


@pytest.fixture
def mirrors(monkeypatch):
    """Start mirrors that answer as told, and make them the list of mirrors."""
    started = []

    def start(*answers):
        for answer in answers:
            mirror = Mirror(answer)
            mirror.released = threading.Event()
            threading.Thread(target=mirror.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            started.append(mirror)
        monkeypatch.setattr(download, "MIRRORS", tuple(mirror.url for mirror in started))
        return started

    monkeypatch.setattr(download, "MNIST_FILES", FILES)
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.3)
    monkeypatch.setattr(download, "FILE_SECONDS", 0.3)
    yield start
    for mirror in started:
        mirror.released.set()
        mirror.shutdown()
        mirror.server_close()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_arrive_unpacked_and_nothing_else_is_left(mirrors, tmp_path):
    mirrors(good)
    download_mnist(tmp_path / "new" / "folder", FILES)
    assert contents(tmp_path / "new" / "folder") == CONTENTS


def test_only_the_files_asked_for_are_downloaded(mirrors, tmp_path):
    [mirror] = mirrors(good)
    download_mnist(tmp_path, FILES[1:])
    assert list(contents(tmp_path)) == ["second-file"]
    assert mirror.gets() == ["/second-file.gz"]


def test_a_good_first_mirror_is_the_only_one_that_serves(mirrors, tmp_path):
    _, second = mirrors(good, good)
    download_mnist(tmp_path, FILES)
    assert second.gets() == []


FAULTS = {
    "403": (status(403), "first-file.gz: HTTP 403"),
    "404": (status(404), "first-file.gz: HTTP 404"),
    "503": (status(503), "first-file.gz: HTTP 503"),
    "a redirect": (status(302, Location="/second-file.gz"), "first-file.gz: HTTP 302"),
    "wrong bytes": (wrong_bytes, "first-file.gz has the wrong bytes"),
    "an empty answer": (lambda handler: send(handler, b""), "first-file.gz has the wrong bytes"),
    "a connection that breaks off": (cut_short, "first-file.gz: the connection broke off"),
    "silence": (silent, "first-file.gz: no answer in time"),
    "no end": (endless, "first-file.gz is larger than the file it should hold"),
    "a byte now and then": (dripping, "first-file.gz was not through after 0.3 seconds"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_a_mirror_that_fails_is_left_for_the_next_one(mirrors, tmp_path, fault, message):
    first, _ = mirrors(fault, good)
    download_mnist(tmp_path, FILES)
    assert contents(tmp_path) == CONTENTS
    assert first.gets() == ["/first-file.gz"]


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_when_all_fail_there_is_one_error_with_what_each_said_and_no_file(mirrors, tmp_path, fault, message):
    first, second = mirrors(fault, status(410))
    with pytest.raises(DownloadError) as caught:
        download_mnist(tmp_path, FILES)
    reason, *rest = str(caught.value).splitlines()
    assert reason == "MNIST is not at hand and could not be downloaded: no mirror had the right files."
    assert f"{first.url}: {message}" in rest[0]
    assert f"{second.url}: first-file.gz: HTTP 410" in rest[1]
    assert "--data FOLDER" in rest[2]
    assert "CHAINRULE_DATA=FOLDER" in rest[2]
    assert "--data digits" in rest[2]
    assert contents(tmp_path) == {}


def test_what_one_mirror_had_is_not_fetched_from_the_next(mirrors, tmp_path):
    def first_only(handler):
        good(handler) if handler.path == "/first-file.gz" else send(handler, b"", 404)

    _, second = mirrors(first_only, good)
    download_mnist(tmp_path, FILES)
    assert second.gets() == ["/second-file.gz"]
    assert contents(tmp_path) == CONTENTS


def test_unpacking_stops_at_the_known_size(mirrors, tmp_path, monkeypatch):
    bomb = gzip.compress(bytes(64 << 20), 1)
    file = MnistFile("first-file", 10_000_000, FILES[0].sha256, hashlib.sha256(bomb).hexdigest())
    written = []
    unpack = download._unpack

    def watched(packed, plain, file):
        try:
            unpack(packed, plain, file)
        finally:
            written.append(plain.tell())

    monkeypatch.setattr(download, "_unpack", watched)
    mirrors(lambda handler: send(handler, bomb))
    with pytest.raises(DownloadError, match=r"first-file.gz holds the wrong bytes"):
        download_mnist(tmp_path, [file])
    assert written == [10_000_001]


def test_a_packed_file_that_cannot_be_unpacked_is_refused(mirrors, tmp_path):
    broken = gzip.compress(bytes(1000))[:-8] + bytes(8)
    mirrors(lambda handler: send(handler, broken))
    file = MnistFile("first-file", 1000, FILES[0].sha256, hashlib.sha256(broken).hexdigest())
    with pytest.raises(DownloadError, match=r"first-file.gz cannot be unpacked"):
        download_mnist(tmp_path, [file])
    assert contents(tmp_path) == {}


def test_a_file_is_flushed_to_disk_before_it_takes_its_name(mirrors, tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(atomic.os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    mirrors(good)
    download_mnist(tmp_path, FILES)
    assert {(tmp_path / name).stat().st_ino for name in CONTENTS} <= set(flushed)


def test_a_full_disk_is_told_with_the_way_round_it(mirrors, tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    mirrors(good)
    monkeypatch.setattr(atomic.os, "fsync", refuse)
    with pytest.raises(OutputError, match=r"(?s)MNIST cannot be stored.*No space left on device.*--data FOLDER"):
        download_mnist(tmp_path, FILES)
    assert contents(tmp_path) == {}


def test_a_failure_leaves_the_file_that_was_there(mirrors, tmp_path):
    (tmp_path / "first-file").write_bytes(b"old")
    mirrors(wrong_bytes)
    with pytest.raises(DownloadError):
        download_mnist(tmp_path, FILES)
    assert contents(tmp_path) == {"first-file": b"old"}


def test_mirrors_that_never_answer_are_given_up_together(tmp_path, monkeypatch):
    def hang(mirror):
        never.wait(10)
        return ""

    never = threading.Event()
    monkeypatch.setattr(download, "_ask_for_head", hang)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.1)
    start = time.monotonic()
    with pytest.raises(DownloadError, match=r"no mirror answered.\n.*no answer within 0.1 seconds"):
        download_mnist(tmp_path, FILES)
    never.set()
    assert time.monotonic() - start < 2


def test_a_mirror_that_refuses_the_connection_did_not_answer(tmp_path, monkeypatch):
    closed = Mirror(good)
    closed.server_close()
    monkeypatch.setattr(download, "MIRRORS", (closed.url,))
    with pytest.raises(DownloadError, match=f"no mirror answered.\n.*{closed.url}: no connection"):
        download_mnist(tmp_path, FILES)


def test_a_folder_that_cannot_be_written_is_named(mirrors, tmp_path):
    mirrors(good)
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(OutputError, match=r"MNIST cannot be stored in .*file"):
        download_mnist(tmp_path / "file", FILES)


def test_progress_is_shown_on_a_terminal_and_nowhere_else(mirrors, tmp_path, monkeypatch, capsys):
    mirrors(good)
    log = io.StringIO()
    monkeypatch.setattr(pooch.get_logger().handlers[0], "stream", log)
    monkeypatch.setattr(pooch.get_logger(), "level", logging.INFO)
    download_mnist(tmp_path, FILES)
    assert capsys.readouterr() == ("", "")
    assert log.getvalue() == ""
    assert pooch.get_logger().level == logging.INFO
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    download_mnist(tmp_path, FILES)
    out, err = capsys.readouterr()
    assert out == ""
    assert "first-file.gz" in err
    assert "100%" in err


def test_the_mirrors_are_secure_and_the_registry_is_whole():
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in download.MIRRORS)
    assert [file.size for file in download.MNIST_FILES] == [47_040_016, 60_008, 7_840_016, 10_008]
    hashes = [hash_ for file in download.MNIST_FILES for hash_ in (file.sha256, file.gz_sha256)]
    assert len(set(hashes)) == 8
    assert {len(hash_) for hash_ in hashes} == {64}
    assert 0 < download.ANSWER_SECONDS < 10


def test_no_test_can_reach_the_network(tmp_path):
    import requests

    with pytest.raises(AssertionError, match="a test reached for the network"):
        requests.head(download.MIRRORS[0], timeout=1)
