"""Kaggle's competition "Digit Recognizer": its two files, through kagglehub and its usual credentials.

train.csv has 42,000 labelled pictures, test.csv 28,000 without labels. Kaggle gives them to who is signed in and has
accepted the competition's rules; whoever is not, or has not, is told what to do.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from chainrule.errors import ChainruleError, DataFileError, DownloadError, MissingPackageError

COMPETITION = "digit-recognizer"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
TOKENS = "https://www.kaggle.com/settings/api"
TRAINING_ROWS, TEST_ROWS = 42_000, 28_000
FILES = ("train.csv", "test.csv")

BY_HAND = (
    f"By hand: download train.csv and test.csv from {PAGE}/data, then\n"
    "    chainrule train --data train.csv\n"
    "    chainrule predict test.csv --submission submission.csv"
)
NO_CREDENTIALS = (
    "Kaggle gives its files to who is signed in, and here is nobody.\n"
    f"  1. Sign in at https://www.kaggle.com, and accept the competition's rules: {PAGE}/rules\n"
    f"  2. Make a token at {TOKENS}. Save it as ~/.kaggle/access_token, or set\n"
    "     KAGGLE_API_TOKEN to it. (An older kaggle.json in ~/.kaggle will do, or KAGGLE_USERNAME and KAGGLE_KEY.)\n"
    "  3. Type again: chainrule data kaggle"
)
WRONG_CREDENTIALS = (
    "Kaggle does not know the token or key that it was given (401). Make a new one at "
    f"{TOKENS}, save it as ~/.kaggle/access_token or set KAGGLE_API_TOKEN to it, and type "
    "again: chainrule data kaggle"
)
RULES = (
    "Kaggle knows you, but has not your word that you accept the competition's rules (403). Accept them at\n"
    f"    {PAGE}/rules\n"
    "and type again: chainrule data kaggle"
)


def download_kaggle() -> Path:
    """Fetch the competition's files, or find them where kagglehub has put them before.

    Returns
    -------
    folder : Path; it holds train.csv and test.csv

    Raises
    ------
    MissingPackageError
        If kagglehub is not installed.
    DownloadError
        If there are no credentials, Kaggle does not accept them, the competition's rules are not accepted, or Kaggle
        cannot be reached; says what to do, and how to do without.
    DataFileError
        If what came lacks one of the files.
    """
    try:
        with _quiet():
            import kagglehub

            folder = Path(kagglehub.competition_download(COMPETITION))
    except ImportError as error:
        raise MissingPackageError(
            "kagglehub, which fetches Kaggle's files, is not installed: pip install 'chainrule[kaggle]'\n" + BY_HAND
        ) from error
    except Exception as error:  # kagglehub raises whatever its parts raise
        raise DownloadError(f"{_reason(error)}\n{BY_HAND}") from error
    for name in FILES:
        if not (folder / name).is_file():
            raise DataFileError(f"{folder} lacks {name}. {_again(folder)}")
    return folder


def require_kaggles(path: Path, rows: int, labelled: bool) -> None:
    """Refuse a file of the competition that has not its rows; a DataFileError names the file."""
    training = path.name == FILES[0]
    expected = TRAINING_ROWS if training else TEST_ROWS
    if rows != expected or labelled != training:
        words = "with labels" if training else "without labels"
        raise DataFileError(f"{path} has {rows:,} pictures; Kaggle's has {expected:,} {words}. {_again(path.parent)}")


def again_after(error: ChainruleError, folder: Path) -> DataFileError:
    """What is wrong with a file, and how to have it fetched once more."""
    return DataFileError(f"{error} {_again(folder)}")


def _again(folder: Path) -> str:
    return f"Delete {folder} and type: chainrule data kaggle"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep kagglehub from writing to standard output, which is for results; its progress bar goes to the other."""
    logger = logging.getLogger("kagglehub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What to do about what kagglehub raised."""
    import requests
    from kagglehub.exceptions import UnauthenticatedError

    said = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, UnauthenticatedError):
        return NO_CREDENTIALS
    if status is not None:
        refused = f"Kaggle did not give its files, and answered {status} ({said}). Try again later."
        return {401: WRONG_CREDENTIALS, 403: RULES}.get(status, refused)
    if isinstance(error, (requests.ConnectionError, requests.Timeout)):
        return "Kaggle cannot be reached. Look whether this computer is online."
    if "credentials file" in said:
        return f"{said}. Make a new token at {TOKENS} and save it as ~/.kaggle/access_token."
    if isinstance(error, OSError) and error.filename is not None:
        place = f"Kaggle's files cannot be stored in {error.filename}: {error.strerror}."
        return f"{place} KAGGLEHUB_CACHE can name another folder."
    return f"kagglehub could not fetch Kaggle's files: {type(error).__name__}, {said.rstrip('.')}. Try again."
