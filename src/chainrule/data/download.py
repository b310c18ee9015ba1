"""Bring MNIST to a folder: the four files, verified.

One job. A file is downloaded beside its final place, verified against its SHA-256, unpacked, verified again, and
only then takes its name. A mirror that cannot be reached, redirects, or has other bytes is left for the next one.

`MIRRORS`, `MNIST_FILES` and the waiting times are data.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.client
import logging
import queue
import shutil
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chainrule.atomic import replacing
from chainrule.errors import DownloadError, OutputError

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class MnistFile:
    """One of MNIST's files, and what its bytes must be.

    Parameters
    ----------
    name : of the plain file; the mirrors' has .gz after it
    size : of the plain file, in bytes
    sha256 : of the plain file
    gz_size : of the packed file, in bytes
    gz_sha256 : of the packed file
    """

    name: str
    size: int
    sha256: str
    gz_size: int
    gz_sha256: str


MNIST_FILES = (
    MnistFile(
        "train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    MnistFile(
        "train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    MnistFile(
        "t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    MnistFile(
        "t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

ANSWER_SECONDS = 6.0
"""How long all mirrors together may take to answer at all."""

SILENCE_SECONDS = 8.0
"""How long a mirror that answered may then send nothing."""

FILE_SECONDS = 300.0
"""How long one file may take."""

LEFTOVER_SECONDS = 86_400.0
"""After how long what lies in the folder unfinished was left there by a download that was killed."""

_CHUNK = 1 << 16

BY_HAND = (
    "To provide the files by hand, put "
    + ", ".join(f"{file.name}.gz" for file in MNIST_FILES)
    + " into a folder and pass it with --data FOLDER; or into FOLDER/mnist and set CHAINRULE_DATA=FOLDER. "
    "To do without MNIST, use --data digits."
)


class _UnusableMirrorError(Exception):
    """Why a mirror is left for the next one."""


def download_mnist(folder: str | Path, files: Iterable[MnistFile] = MNIST_FILES) -> None:
    """Download MNIST's files into a folder, unpacked and verified.

    Parameters
    ----------
    folder : where to; made if need be
    files : which of `MNIST_FILES`

    Raises
    ------
    DownloadError
        If no mirror has them all; lists what each mirror said. Without a network this takes `ANSWER_SECONDS` at
        most.
    OutputError
        If the folder cannot be written.
    """
    folder = Path(folder)
    missing = list(files)
    complaints = []
    reached = 0
    _sweep(folder)
    for mirror, answer in _ask(MIRRORS):
        try:
            list(answer)
            reached += 1
            while missing:
                _fetch(mirror, missing[0], folder)
                missing.pop(0)
            return
        except _UnusableMirrorError as error:
            complaints.append(f"    {mirror}: {error}")
        except OutputError as error:
            raise OutputError(f"MNIST cannot be stored. {error}\n{BY_HAND}") from error
        except OSError as error:
            raise OutputError(f"MNIST cannot be stored in {folder}: {error.strerror or error}.\n{BY_HAND}") from error
    reason = "no mirror had the right files" if reached else "no mirror answered"
    raise DownloadError(
        f"MNIST is not at hand and could not be downloaded: {reason}.\n" + "\n".join(complaints) + f"\n{BY_HAND}"
    )


def _sweep(folder: Path) -> None:
    """Remove what was left by downloads that were killed, and nothing that another one may be writing."""
    oldest = time.time() - LEFTOVER_SECONDS
    with contextlib.suppress(OSError):
        for path in [*folder.glob(".download-*"), *folder.glob(f".{'[0-9a-f]' * 16}.part")]:
            if path.lstat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


# ------------------------------------------------------------------------------------- asking the mirrors


def _ask(mirrors: Iterable[str]) -> list[tuple[str, _Background]]:
    """Ask all mirrors at once whether they are there."""
    return [(mirror, _ask_one(mirror)) for mirror in mirrors]


def _ask_one(mirror: str) -> _Background:
    url = f"{mirror}{MNIST_FILES[-1].name}.gz"
    return _Background(lambda: _head(url), ANSWER_SECONDS, f"no answer within {ANSWER_SECONDS:g} seconds")


def _head(url: str) -> Generator[bytes, None, None]:
    """Nothing, once the mirror has answered, whatever it says."""
    with _session() as session:
        session.head(url, stream=True, timeout=ANSWER_SECONDS).close()
    yield b""


class _Background:
    """Pieces from a mirror, received in a thread that is left behind when the time is up.

    Looking up a name, and trying one address after the other, can hang for minutes. A mirror that sends a byte of its
    answer now and then keeps every timeout of a connection from being reached. Neither can be interrupted.
    """

    def __init__(self, receive: Callable[[], Generator[bytes, None, None]], seconds: float, complaint: str) -> None:
        self._receive = receive
        self._deadline = time.monotonic() + seconds
        self._complaint = complaint
        self._pieces: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
        self._left = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="chainrule download").start()

    def _run(self) -> None:
        try:
            with contextlib.closing(self._receive()) as pieces:
                for piece in pieces:
                    self._pieces.put(piece)
                    if self._left.is_set():
                        return
            self._pieces.put(None)
        except Exception as error:  # it is raised in the thread that waits
            self._pieces.put(error)

    def __iter__(self) -> Iterator[bytes]:
        """Each piece as it comes; `_UnusableMirrorError` if there is a fault, or no end in time."""
        import requests
        import urllib3

        try:
            while (piece := self._pieces.get(timeout=max(0.0, self._deadline - time.monotonic()))) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        except queue.Empty:
            raise _UnusableMirrorError(self._complaint) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException) as error:
            raise _UnusableMirrorError(_in_short(error)) from error
        finally:
            self._left.set()


def _session() -> requests.Session:
    """A session that goes nowhere else; `allow_redirects=False` would still read all of a redirect's body."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    return Session()


def _in_short(error: Exception) -> str:
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (certificate or TLS error)"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if any(isinstance(fault, urllib3.exceptions.ProtocolError) for fault in (error, *error.args)):
        return "the connection broke off, or the answer was not HTTP"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"{type(error).__name__}: {error!s:.100}"


# --------------------------------------------------------------------------------------- fetching one file


def _fetch(mirror: str, file: MnistFile, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as work:
        packed = _retrieve(f"{mirror}{file.name}.gz", file, Path(work))
        with replacing(folder / file.name) as plain:
            _unpack(packed, plain, file)


def _retrieve(url: str, file: MnistFile, work: Path) -> Path:
    """Download to a temporary file, verify, rename: pooch's work."""
    import pooch

    def transfer(url: str, output_file: str, _: object) -> None:
        _transfer(url, Path(output_file), file)

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # the progress bar says it already
    try:
        known_hash = f"sha256:{file.gz_sha256}"
        return Path(pooch.retrieve(url, known_hash, fname=f"{file.name}.gz", path=work, downloader=transfer))
    except ValueError as error:  # pooch's word for a wrong hash
        raise _UnusableMirrorError(f"{file.name}.gz has the wrong bytes (its SHA-256 differs)") from error
    except _UnusableMirrorError as error:
        raise _UnusableMirrorError(f"{file.name}.gz: {error}") from error
    finally:
        logger.setLevel(level)


def _transfer(url: str, output_file: Path, file: MnistFile) -> None:
    """Copy what the mirror sends, in the time that is allowed."""
    from tqdm import tqdm

    pieces = _Background(lambda: _get(url, file), FILE_SECONDS, f"not through after {FILE_SECONDS:g} seconds")
    with (
        output_file.open("wb") as output,
        tqdm(
            total=file.gz_size,
            desc=f"{file.name}.gz",
            unit="B",
            unit_scale=True,
            disable=not sys.stderr.isatty(),
            file=sys.stderr,
        ) as bar,
    ):
        for piece in pieces:
            output.write(piece)
            bar.update(len(piece))


def _get(url: str, file: MnistFile) -> Generator[bytes, None, None]:
    """The body, in pieces and as it was sent; no more of it than the file has."""
    # The file is gzip already; "identity" asks that nobody packs or unpacks it on the way.
    headers = {"Accept-Encoding": "identity"}
    left = file.gz_size
    with (
        _session() as session,
        session.get(url, stream=True, timeout=SILENCE_SECONDS, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise _UnusableMirrorError(f"HTTP {response.status_code} {response.reason or '':.100}".rstrip())
        while piece := response.raw.read1(_CHUNK, decode_content=False):
            left -= len(piece)
            if left < 0:
                raise _UnusableMirrorError("longer than the file")
            yield piece


def _unpack(packed: Path, plain: BinaryIO, file: MnistFile) -> None:
    """Unpack at most one byte more than there should be, and verify."""
    digest = hashlib.sha256()
    left = file.size + 1
    try:
        with gzip.open(packed) as source:
            while left and (chunk := source.read(min(_CHUNK, left))):
                digest.update(chunk)
                plain.write(chunk)
                left -= len(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _UnusableMirrorError(f"{packed.name} cannot be unpacked: {error}") from error
    if digest.hexdigest() != file.sha256:
        raise _UnusableMirrorError(f"{packed.name} holds the wrong bytes (their SHA-256 differs)")
