"""Bring MNIST to a folder: the four files, verified.

One job. A file is downloaded beside its final place, verified against its SHA-256, unpacked, verified again, and
only then takes its name. A mirror that cannot be reached, redirects, or has other bytes is left for the next one.

`MIRRORS`, `MNIST_FILES` and the waiting times are data.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chainrule.atomic import replacing
from chainrule.errors import DownloadError, OutputError

if TYPE_CHECKING:
    import urllib3


@dataclass(frozen=True)
class MnistFile:
    """One of MNIST's files, and what its bytes must be.

    Parameters
    ----------
    name : of the plain file; the mirrors' has .gz after it
    size : of the plain file, in bytes
    sha256 : of the plain file
    gz_sha256 : of the packed file
    """

    name: str
    size: int
    sha256: str
    gz_sha256: str


MNIST_FILES = (
    MnistFile(
        "train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    MnistFile(
        "train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    MnistFile(
        "t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    MnistFile(
        "t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
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
    for mirror, wait_for_answer in _ask(MIRRORS):
        try:
            wait_for_answer()
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


# ------------------------------------------------------------------------------------- asking the mirrors


def _ask(mirrors: Iterable[str]) -> list[tuple[str, Callable[[], None]]]:
    """Ask all mirrors at once whether they are there; each comes with a function that waits for its answer.

    Looking up a name and trying one address after the other can hang for minutes and cannot be interrupted. So it
    is done in threads that are left behind when their time is up.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    return [(mirror, _ask_one(mirror, deadline)) for mirror in mirrors]


def _ask_one(mirror: str, deadline: float) -> Callable[[], None]:
    answers: list[str] = []

    def ask() -> None:
        answers.append(_ask_for_head(mirror))

    thread = threading.Thread(target=ask, daemon=True, name=f"ask {mirror}")
    thread.start()

    def wait() -> None:
        thread.join(max(0.0, deadline - time.monotonic()))
        fault = answers[0] if answers else f"no answer within {ANSWER_SECONDS:g} seconds"
        if fault:
            raise _UnusableMirrorError(fault)

    return wait


def _ask_for_head(mirror: str) -> str:
    """Why the mirror does not answer; empty if it does, whatever it says."""
    import requests

    try:
        url = f"{mirror}{MNIST_FILES[-1].name}.gz"
        requests.head(url, timeout=ANSWER_SECONDS, allow_redirects=False).close()
    except requests.RequestException as error:
        return _in_short(error)
    return ""


def _in_short(error: Exception) -> str:
    import requests
    import urllib3

    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (certificate or TLS error)"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    return f"{type(error).__name__}: {error}"


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
    finally:
        logger.setLevel(level)


def _transfer(url: str, output_file: Path, file: MnistFile) -> None:
    """Copy what the mirror sends: no redirects, no more bytes and no more time than the file needs."""
    import requests
    import urllib3

    name = f"{file.name}.gz"
    # The file is gzip already; "identity" asks that nobody packs or unpacks it on the way.
    headers = {"Accept-Encoding": "identity"}
    try:
        with requests.get(
            url, stream=True, allow_redirects=False, timeout=SILENCE_SECONDS, headers=headers
        ) as response:
            if response.status_code != 200:
                raise _UnusableMirrorError(f"{name}: HTTP {response.status_code} {response.reason or ''}".rstrip())
            with output_file.open("wb") as output:
                _copy(response.raw, output, file, int(response.headers.get("Content-Length", 0)))
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _UnusableMirrorError(f"{name}: {_in_short(error)}") from error


def _copy(source: urllib3.HTTPResponse, output: BinaryIO, file: MnistFile, announced: int) -> None:
    from tqdm import tqdm

    name = f"{file.name}.gz"
    deadline = time.monotonic() + FILE_SECONDS
    received = 0
    with tqdm(
        total=announced, desc=name, unit="B", unit_scale=True, disable=not sys.stderr.isatty(), file=sys.stderr
    ) as bar:
        # read1 returns what has come, so that a mirror which sends a byte now and then meets the deadline.
        while chunk := source.read1(_CHUNK, decode_content=False):
            output.write(chunk)
            received += len(chunk)
            bar.update(len(chunk))
            if received > file.size:
                raise _UnusableMirrorError(f"{name} is larger than the file it should hold")
            if time.monotonic() > deadline:
                raise _UnusableMirrorError(f"{name} was not through after {FILE_SECONDS:g} seconds")


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
