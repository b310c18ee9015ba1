import gzip
import hashlib
import http.server
import io
import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import asdict

import numpy as np
import pooch
import pytest

from chainrule import atomic
from chainrule.data import datasets, download
from chainrule.data.datasets import load_dataset
from chainrule.data.download import MnistFile, download_mnist
from chainrule.data.formats import write_idx
from chainrule.errors import DownloadError, OutputError

CONTENTS = {name: name.encode() * 50_000 for name in ("first-file", "second-file")}
PACKED = {f"/{name}.gz": gzip.compress(content) for name, content in CONTENTS.items()}
FILES = tuple(
    MnistFile(
        name,
        len(content),
        hashlib.sha256(content).hexdigest(),
        len(PACKED[f"/{name}.gz"]),
        hashlib.sha256(PACKED[f"/{name}.gz"]).hexdigest(),
    )
    for name, content in CONTENTS.items()
)


BOMB = gzip.compress(bytes(64 << 20)) * 160
"""Ten megabytes that unpack to ten gigabytes."""


class Mirror(http.server.ThreadingHTTPServer):
    """A mirror on this machine, and what it does with a GET for a path, and with a HEAD."""

    daemon_threads = True

    def __init__(self, answer, answer_head=None, certificate=None):
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                mirror.requests.append(("HEAD", self.path))
                (answer_head or status(200, body=b""))(self)

            def do_GET(self):
                mirror.requests.append(("GET", self.path))
                answer(self)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []
        self.released = threading.Event()
        if certificate:
            self.socket = certificate.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' * bool(certificate)}://127.0.0.1:{self.server_port}/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def gets(self):
        return [path for method, path in self.requests if method == "GET"]

    def handle_error(self, *_):  # a client that hangs up is what is being tested
        pass

    def stop(self):
        self.released.set()
        self.shutdown()
        self.server_close()


def send(handler, body, status=200, length=None, reason=None, **headers):
    handler.send_response(status, reason)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def good(handler):
    send(handler, PACKED[handler.path])


def good_with(*lines):
    """The right bytes, under headers that say something else, and then no more."""

    def answer(handler):
        head = "".join(f"{line}\r\n" for line in ("HTTP/1.0 200 OK", *lines))
        handler.wfile.write(head.encode() + b"\r\n" + PACKED[handler.path])

    return answer


def status(code, body=b"<html>no</html>", **headers):
    return lambda handler: send(handler, body, code, **headers)


def raw(*pieces):
    """Bytes that may be no HTTP, and no more after them."""

    def answer(handler):
        handler.wfile.writelines(pieces)
        handler.close_connection = True

    return answer


def wrong_bytes(handler):
    send(handler, gzip.compress(b"something else"))


def cut_short(handler):
    send(handler, PACKED[handler.path][:-100], length=len(PACKED[handler.path]))
    handler.close_connection = True


def silent(handler):
    handler.server.released.wait(30)


def silent_in_the_middle(handler):
    send(handler, PACKED[handler.path][:-100], length=len(PACKED[handler.path]))
    handler.server.released.wait(30)


def endless(head, piece, pause=0):
    """After some bytes, the same piece again and again."""

    def answer(handler):
        handler.wfile.write(head)
        while not handler.server.released.wait(pause):
            handler.wfile.write(piece)
            handler.wfile.flush()

    return answer


@pytest.fixture
def mirrors(monkeypatch):
    """Start mirrors that answer as told, and make them the list of mirrors."""
    started = []

    def start(*answers, **options):
        started.extend(Mirror(answer, **options) for answer in answers)
        monkeypatch.setattr(download, "MIRRORS", tuple(mirror.url for mirror in started))
        return started

    monkeypatch.setattr(download, "MNIST_FILES", FILES)
    yield start
    for mirror in started:
        mirror.stop()


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


OK = b"HTTP/1.0 200 OK\r\n"
ZEROS = bytes(1 << 16)
SHORT = f"Content-Length: {len(PACKED['/first-file.gz']) - 1}"
LONG = f"Content-Length: {len(PACKED['/first-file.gz']) + 1}"
NO_HTTP = "first-file.gz: the connection broke off, or the answer was not HTTP"

FAULTS = {
    "403": (status(403), "first-file.gz: HTTP 403 Forbidden"),
    "404": (status(404), "first-file.gz: HTTP 404 Not Found"),
    "503": (status(503), "first-file.gz: HTTP 503 Service Unavailable"),
    "206": (status(206), "first-file.gz: HTTP 206 Partial Content"),
    "a redirect": (status(302, Location="/second-file.gz"), "first-file.gz: HTTP 302 Found"),
    "a redirect in a circle": (status(301, Location="/first-file.gz"), "first-file.gz: HTTP 301 Moved"),
    "a redirect to nonsense": (status(302, Location="http://[\xff"), "first-file.gz: HTTP 302 Found"),
    "a redirect without end": (
        endless(b"HTTP/1.0 302 Found\r\nLocation: /first-file.gz\r\n\r\n", ZEROS),
        "first-file.gz: HTTP 302 Found",
    ),
    "an error without end": (endless(b"HTTP/1.0 500 No\r\n\r\n", ZEROS), "first-file.gz: HTTP 500 No"),
    "wrong bytes": (wrong_bytes, "first-file.gz has the wrong bytes"),
    "an empty answer": (status(200, body=b""), "first-file.gz has the wrong bytes"),
    "a connection that breaks off": (cut_short, NO_HTTP),
    "silence": (silent, "first-file.gz: no answer in time"),
    "silence in the middle": (silent_in_the_middle, "first-file.gz: no answer in time"),
    "no end": (endless(OK + b"\r\n", ZEROS), "first-file.gz: longer than the file"),
    "no end, in chunks": (
        endless(OK.replace(b"1.0", b"1.1") + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + ZEROS + b"\r\n"),
        "first-file.gz: longer than the file",
    ),
    "a length too small": (good_with(SHORT), "first-file.gz has the wrong bytes"),
    "a length too large": (good_with(LONG), NO_HTTP),
    "two lengths": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 5\r\n\r\nx"),
        "first-file.gz: InvalidHeader: Content-Length",
    ),
    "chunks that are none": (good_with("Transfer-Encoding: chunked"), NO_HTTP),
    "no HTTP": (raw(b"\0\xff garbage\r\n" * 9), NO_HTTP),
    "a reason of a megabyte": (raw(b"HTTP/1.0 404 ", b"x" * (1 << 20), b"\r\n\r\n"), NO_HTTP),
    "a header of a megabyte": (raw(OK, b"X: ", b"x" * (1 << 20), b"\r\n\r\n"), NO_HTTP),
    "a million headers": (raw(OK, b"X: x\r\n" * 1_000_000), NO_HTTP),
}

NOT_THROUGH = "first-file.gz: not through after 0.2 seconds"

DRIPPING = {
    "a byte now and then": (endless(OK + b"\r\n", b"x", 0.02), NOT_THROUGH),
    "a byte of the head now and then": (endless(b"HTTP/1.0 200 ", b"x", 0.02), NOT_THROUGH),
    "a byte of a chunk's length now and then": (
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", 0.02),
        NOT_THROUGH,
    ),
    "wait, again and again": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.001), NOT_THROUGH),
    "trailers without end": (
        endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: x\r\n", 0.001),
        NOT_THROUGH,
    ),
}


@pytest.fixture(params=[*FAULTS, *DRIPPING])
def fault(request, monkeypatch):
    """What a mirror does wrong, and the words for it; the next mirror has all the time that it needs."""
    answer, words = (FAULTS | DRIPPING)[request.param]
    monkeypatch.setattr(download, "FILE_SECONDS", 30 if request.param in FAULTS else 0.2)
    monkeypatch.setattr(download, "SILENCE_SECONDS", 0.2 if request.param.startswith("silence") else 30)

    def and_patience_again(handler):
        download.FILE_SECONDS = download.SILENCE_SECONDS = 30
        answer(handler)

    return and_patience_again, words


def test_a_mirror_that_fails_is_left_for_the_next_one(mirrors, tmp_path, fault):
    first, _ = mirrors(fault[0], good)
    download_mnist(tmp_path, FILES)
    assert contents(tmp_path) == CONTENTS
    assert first.gets() == ["/first-file.gz"]


def test_when_all_fail_there_is_one_error_with_what_each_said_and_no_file(mirrors, tmp_path, fault):
    first, second = mirrors(fault[0], status(410))
    with pytest.raises(DownloadError) as caught:
        download_mnist(tmp_path, FILES)
    reason, *rest = str(caught.value).splitlines()
    assert reason == "MNIST is not at hand and could not be downloaded: no mirror had the right files."
    assert f"{first.url}: {fault[1]}" in rest[0]
    assert f"{second.url}: first-file.gz: HTTP 410" in rest[1]
    assert "--data FOLDER" in rest[2]
    assert "CHAINRULE_DATA=FOLDER" in rest[2]
    assert "--data digits" in rest[2]
    assert len(rest) == 3
    assert len(rest[0]) < 200
    assert contents(tmp_path) == {}


HARMLESS = {
    "no length": [],
    "a length that is no number": ["Content-Length: many"],
    "a negative length": ["Content-Length: -5"],
    "the right length twice": [f"Content-Length: {len(PACKED['/first-file.gz'])}"] * 2,
    "a packing that is none": ["Content-Encoding: br, gzip"],
    "a folded header": ["X: 1", " 2"],
    "a cookie": ["Set-Cookie: a=b; Expires=never"],
}


@pytest.mark.parametrize("lines", HARMLESS.values(), ids=HARMLESS)
def test_the_right_bytes_are_right_whatever_the_headers_say(mirrors, tmp_path, lines):
    mirrors(good_with(*lines))
    download_mnist(tmp_path, FILES[:1])
    assert contents(tmp_path) == {"first-file": CONTENTS["first-file"]}


HEADS = {
    "403": status(403, body=b""),
    "405": status(405, body=b""),
    "a redirect": status(302, body=b"", Location="http://[\xff"),
    "another length": lambda handler: send(handler, b"", length=5),
    "a body": status(200),
    "a body without end": endless(OK + b"\r\n", ZEROS),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_mirror_may_say_of_a_file_what_it_likes_as_long_as_it_gives_it(mirrors, tmp_path, head):
    mirrors(good, answer_head=head)
    download_mnist(tmp_path, FILES)
    assert contents(tmp_path) == CONTENTS


@pytest.mark.parametrize("head", [raw(), raw(b"\0\xff garbage")], ids=["nothing", "no HTTP"])
def test_a_mirror_that_is_none_did_not_answer(mirrors, tmp_path, head):
    mirrors(good, answer_head=head)
    with pytest.raises(DownloadError, match=r"no mirror answered.\n.*: the connection broke off, or .* not HTTP\n"):
        download_mnist(tmp_path, FILES)


def test_what_a_mirror_says_cannot_steer_the_terminal(mirrors, tmp_path):
    """Neither by ESC nor by its one-byte form, nor by a backspace."""
    mirrors(raw(b"HTTP/1.0 404 \x1b[2J\x9b31m\b\r\n\r\n"))
    with pytest.raises(DownloadError) as caught:
        download_mnist(tmp_path, FILES)
    assert r"HTTP 404 \x1b[2J\x9b31m\x08" in str(caught.value)
    assert all(character.isprintable() or character == "\n" for character in str(caught.value))


def test_a_redirect_is_not_followed_to_plain_http_or_anywhere(mirrors, tmp_path):
    elsewhere = Mirror(good)
    mirrors(lambda handler: send(handler, b"", 302, Location=f"{elsewhere.url}first-file.gz"))
    with pytest.raises(DownloadError, match="HTTP 302"):
        download_mnist(tmp_path, FILES)
    elsewhere.stop()
    assert elsewhere.requests == []


def test_a_secure_mirror_that_speaks_plain_http_is_not_spoken_to(mirrors, tmp_path, monkeypatch):
    [mirror] = mirrors(good)
    monkeypatch.setattr(download, "MIRRORS", (mirror.url.replace("http:", "https:"),))
    with pytest.raises(DownloadError, match=r"no mirror answered.\n.*https://.*: no secure connection"):
        download_mnist(tmp_path, FILES)
    assert mirror.requests == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate with")
def test_a_mirror_must_prove_who_it_is(mirrors, tmp_path, monkeypatch):
    pair = ["-keyout", tmp_path / "key", "-out", tmp_path / "certificate"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *name, *pair],
        check=True,
        capture_output=True,
    )
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    [mirror] = mirrors(good, certificate=certificate)
    with pytest.raises(DownloadError, match="no secure connection"):
        download_mnist(tmp_path / "folder", FILES)
    assert mirror.requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "certificate"))
    download_mnist(tmp_path / "folder", FILES)
    assert contents(tmp_path / "folder") == CONTENTS


@pytest.mark.parametrize("fault", ["a redirect", "an error", "an answer"])
def test_what_a_mirror_packs_is_not_unpacked_on_the_way(mirrors, tmp_path, fault):
    """Ten megabytes that unpack to ten gigabytes stay ten megabytes, of which no more is read than a file has."""
    code = {"a redirect": 302, "an error": 500, "an answer": 200}[fault]
    mirrors(lambda handler: send(handler, BOMB, code, Content_Encoding="gzip", Location="/first-file.gz"))
    tracemalloc.start()
    try:
        with pytest.raises(DownloadError, match=r"longer than the file|HTTP (302|500)"):
            download_mnist(tmp_path, FILES)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20  # with what the server itself holds
    finally:
        tracemalloc.stop()


def test_what_one_mirror_had_is_not_fetched_from_the_next(mirrors, tmp_path):
    def first_only(handler):
        good(handler) if handler.path == "/first-file.gz" else send(handler, b"", 404)

    _, second = mirrors(first_only, good)
    download_mnist(tmp_path, FILES)
    assert second.gets() == ["/second-file.gz"]
    assert contents(tmp_path) == CONTENTS


def test_unpacking_stops_at_the_known_size(mirrors, tmp_path, monkeypatch):
    """Even if the bytes that unpack to ten gigabytes are those of the registry."""
    file = MnistFile("first-file", 1_000_000, FILES[0].sha256, len(BOMB), hashlib.sha256(BOMB).hexdigest())
    written = []
    unpack = download._unpack

    def watched(packed, plain, file):
        try:
            unpack(packed, plain, file)
        finally:
            written.append(plain.tell())

    monkeypatch.setattr(download, "_unpack", watched)
    mirrors(lambda handler: send(handler, BOMB))
    with pytest.raises(DownloadError, match=r"first-file.gz holds the wrong bytes"):
        download_mnist(tmp_path, [file])
    assert written == [1_000_001]
    assert contents(tmp_path) == {}


def test_a_packed_file_that_cannot_be_unpacked_is_refused(mirrors, tmp_path):
    broken = gzip.compress(bytes(1000))[:-8] + bytes(8)
    mirrors(lambda handler: send(handler, broken))
    file = MnistFile("first-file", 1000, FILES[0].sha256, len(broken), hashlib.sha256(broken).hexdigest())
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


# ----------------------------------------------------------------------------- a cache that was damaged later


NAMES = [file.name for file in download.MNIST_FILES]


@pytest.fixture
def cached(mirrors, monkeypatch, tmp_path):
    """A small MNIST in the cache, a mirror that has it too, and no data of one's own."""
    arrays = np.arange(8, dtype=np.uint8).reshape(2, 2, 2), np.array([3, 8], np.uint8)
    answers, files = {}, []
    for name, array in zip(NAMES, arrays * 2, strict=True):
        write_idx(tmp_path / name, array)
        content = (tmp_path / name).read_bytes()
        packed = answers[f"/{name}.gz"] = gzip.compress(content)
        sums = hashlib.sha256(content).hexdigest(), len(packed), hashlib.sha256(packed).hexdigest()
        files.append(MnistFile(name, len(content), *sums))
    [mirror] = mirrors(lambda handler: send(handler, answers[handler.path]))
    monkeypatch.setattr(download, "MNIST_FILES", tuple(files))
    monkeypatch.setattr(datasets, "_cache_folder", lambda: tmp_path)
    monkeypatch.delenv("CHAINRULE_DATA", raising=False)
    return tmp_path, mirror


def damage(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def test_a_file_that_was_damaged_later_is_fetched_again_and_no_other(cached):
    cache, mirror = cached
    assert load_dataset("mnist").train_images.ravel().tolist() == list(range(8))
    assert mirror.requests == []
    damage(cache / NAMES[0])
    assert load_dataset("mnist").train_images.ravel().tolist() == list(range(8))
    assert mirror.gets() == [f"/{NAMES[0]}.gz"]
    assert sorted(contents(cache)) == sorted(NAMES)


def test_a_damaged_file_in_a_cache_that_may_not_be_written_is_said_to_be(cached, locked, monkeypatch):
    folder, lock = locked
    shutil.copytree(cached[0], folder, dirs_exist_ok=True)
    damage(folder / NAMES[1])
    monkeypatch.setattr(datasets, "_cache_folder", lambda: folder)
    lock()
    with pytest.raises(OutputError) as caught:
        load_dataset("mnist")
    message = str(caught.value)
    assert message.startswith(f"{folder / NAMES[1]} is damaged: its SHA-256 differs.")
    assert f"MNIST cannot be stored in {folder}: Permission denied." in message
    assert "--data FOLDER" in message


# ------------------------------------------------------------------------- several processes, and killed ones

DOWNLOAD = """
import json, sys
from chainrule.data import download
mirror, folder, files = sys.argv[1:]
download.MIRRORS = (mirror,)
download.MNIST_FILES = tuple(download.MnistFile(**file) for file in json.loads(files))
download.download_mnist(folder, download.MNIST_FILES)
"""


def process(mirror, folder):
    """A download in a process of its own."""
    files = json.dumps([asdict(file) for file in FILES])
    return subprocess.Popen([sys.executable, "-c", DOWNLOAD, mirror.url, str(folder), files])


def test_two_processes_at_once_both_end_well(mirrors, tmp_path):
    def good_when_both_are_there(handler):
        if handler.path == "/first-file.gz":
            both.wait()
        good(handler)

    both = threading.Barrier(2, timeout=60)
    [mirror] = mirrors(good_when_both_are_there)
    with process(mirror, tmp_path) as one, process(mirror, tmp_path) as other:
        assert (one.wait(60), other.wait(60)) == (0, 0)
    assert mirror.gets().count("/first-file.gz") == 2
    assert contents(tmp_path) == CONTENTS


@pytest.fixture
def killed(mirrors, tmp_path):
    """A folder in which a download was killed after the first file and in the middle of the second."""

    def stops_in_the_second(handler):
        if handler.path == "/first-file.gz":
            return good(handler)
        send(handler, PACKED[handler.path][:-100], length=len(PACKED[handler.path]))
        handler.server.under_way.set()
        return silent(handler)

    [mirror] = mirrors(stops_in_the_second)
    mirror.under_way = threading.Event()
    with process(mirror, tmp_path) as child:
        assert mirror.under_way.wait(60)
        child.kill()
    mirrors(good)
    return tmp_path


def test_a_killed_download_leaves_nothing_under_a_files_name(killed):
    whole, left = sorted(killed.iterdir(), reverse=True)
    assert (whole.name, whole.read_bytes()) == ("first-file", CONTENTS["first-file"])
    assert left.name.startswith(".download-")


def test_after_a_killed_download_the_next_one_ends_well_and_a_later_one_cleans_up(killed, monkeypatch):
    monkeypatch.setattr(download, "MIRRORS", download.MIRRORS[1:])
    download_mnist(killed, FILES[1:])
    assert {name: (killed / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert len(list(killed.iterdir())) == 3  # what may be another's work is left alone
    monkeypatch.setattr(download, "LEFTOVER_SECONDS", -1)
    download_mnist(killed, FILES[1:])
    assert contents(killed) == CONTENTS


def test_only_what_a_download_left_a_day_ago_is_removed(mirrors, tmp_path):
    names = [".download-old", ".download-new", f".{'0a' * 8}.part", f".{'0b' * 8}.part", ".mine.part", "mine"]
    for name in names:
        (tmp_path / name).mkdir() if "download" in name else (tmp_path / name).write_bytes(b"")
    a_day_ago = time.time() - download.LEFTOVER_SECONDS - 60
    for name in names[::2] + names[-1:]:
        os.utime(tmp_path / name, (a_day_ago, a_day_ago))
    mirrors(good)
    download_mnist(tmp_path, [])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({*names} - {names[0], names[2]})


# ------------------------------------------------------------------------------------- no mirror, no folder


def test_mirrors_that_never_answer_are_given_up_together(tmp_path, monkeypatch):
    def look_up(*_, **__):
        asked.append(1)
        never.wait(30)
        raise OSError("too late")

    never, asked = threading.Event(), []
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(download, "ANSWER_SECONDS", 0.1)
    with pytest.raises(DownloadError, match=r"no mirror answered.\n(    .*: no answer within 0.1 seconds\n){2}To"):
        download_mnist(tmp_path, FILES)
    assert not never.is_set()
    assert len(asked) == len(download.MIRRORS) == 2
    never.set()


def test_a_mirror_that_refuses_the_connection_did_not_answer(tmp_path, monkeypatch):
    closed = Mirror(good)
    closed.stop()
    monkeypatch.setattr(download, "MIRRORS", (closed.url,))
    with pytest.raises(DownloadError, match=f"no mirror answered.\n.*{closed.url}: no connection"):
        download_mnist(tmp_path, FILES)


def test_a_folder_that_cannot_be_written_is_named(mirrors, tmp_path):
    mirrors(good)
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(OutputError, match=r"MNIST cannot be stored in .*file"):
        download_mnist(tmp_path / "file", FILES)


def test_a_folder_that_may_not_be_written_is_left_as_it_was(mirrors, locked):
    folder, lock = locked
    (folder / "first-file").write_bytes(b"damaged")
    mirrors(good)
    lock()
    with pytest.raises(OutputError, match=r"(?s)MNIST cannot be stored in .*: Permission denied\..*--data FOLDER"):
        download_mnist(folder, FILES)
    assert contents(folder) == {"first-file": b"damaged"}


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
