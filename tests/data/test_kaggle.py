"""Kaggle as a server on this machine that the real kagglehub asks."""

import contextlib
import errno
import http.server
import io
import json
import sys
import threading
import zipfile

import numpy as np
import pytest

from chainrule.data import kaggle
from chainrule.data.datasets import load_dataset
from chainrule.data.formats import write_kaggle_csv
from chainrule.errors import DataFileError, DownloadError, MissingPackageError, UnknownNameError

kagglehub = pytest.importorskip("kagglehub")

TOKEN = "KGAT_0123"


class Kaggle(http.server.ThreadingHTTPServer):
    """Gives `files` to whoever shows the token, and `status` otherwise or when told to."""

    status = 200
    files: bytes = b""
    asked = 0


class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        known = self.headers["Authorization"] == f"Bearer {TOKEN}"
        status, content = (self.server.status, self.server.files) if known else (401, b"")
        if status != 200:
            content = json.dumps({"code": status, "message": "What Kaggle says."}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/zip" if status == 200 else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served():
    server = Kaggle(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Kaggle, and somebody with a token."""
    from kagglesdk import kaggle_env

    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_ENVIRONMENT", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home" / ".kaggle"))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    with served() as server:
        monkeypatch.setitem(
            kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, f"http://127.0.0.1:{server.server_port}"
        )
        yield server


@pytest.fixture
def few(monkeypatch):
    """A competition of three pictures and two."""
    monkeypatch.setattr(kaggle, "TRAINING_ROWS", 3)
    monkeypatch.setattr(kaggle, "TEST_ROWS", 2)


def pictures(n):
    return np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def zipped(tmp_path, train=3, test=2, names=("train.csv", "test.csv", "sample_submission.csv")):
    """Kaggle's archive."""
    write_kaggle_csv(tmp_path / "train.csv", pictures(train), np.arange(train))
    write_kaggle_csv(tmp_path / "test.csv", pictures(test), None)
    (tmp_path / "sample_submission.csv").write_text("ImageId,Label\n1,0\n")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.write(tmp_path / name, name)
    return packed.getvalue()


def test_the_competitions_files_become_a_data_set(server, few, tmp_path):
    server.files = zipped(tmp_path)
    dataset = load_dataset("kaggle")
    assert np.array_equal(dataset.train_images, pictures(3))
    assert dataset.train_labels.tolist() == [0, 1, 2]
    assert np.array_equal(dataset.test_images, pictures(2))
    assert dataset.test_labels is None
    assert [path.name for path in dataset.files] == ["train.csv", "test.csv"]
    assert dataset.source.startswith("Kaggle's Digit Recognizer, 3 training images and 2 to label, from ")


def test_without_a_network_what_was_fetched_before_is_used(server, few, tmp_path, monkeypatch):
    server.files = zipped(tmp_path)
    first = load_dataset("kaggle")
    server.shutdown()
    server.server_close()
    assert load_dataset("kaggle").files == first.files


def test_standard_output_stays_free_for_results(server, few, tmp_path, capsys):
    server.files = zipped(tmp_path)
    load_dataset("kaggle")
    assert capsys.readouterr().out == ""


def refused(message):
    return pytest.raises(DownloadError, match=message)


def ends_by_hand(refusal):
    text = str(refusal.value)
    assert text.endswith(kaggle.BY_HAND)
    assert "chainrule train --data train.csv" in text
    assert "https://www.kaggle.com/competitions/digit-recognizer/data" in text


def test_without_credentials_it_is_said_where_to_get_them_and_where_to_put_them(server, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    with refused("Kaggle gives its files to who is signed in") as refusal:
        load_dataset("kaggle")
    for words in ("digit-recognizer/rules", "kaggle.com/settings/api", "~/.kaggle/access_token", "KAGGLE_API_TOKEN"):
        assert words in str(refusal.value)
    assert server.asked == 0
    ends_by_hand(refusal)


def test_with_a_wrong_token_it_is_said_to_make_a_new_one(server, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_wrong")
    with refused(r"does not know the token or key that it was given \(401\)\. Make a new one") as refusal:
        load_dataset("kaggle")
    assert "KGAT" not in str(refusal.value)
    ends_by_hand(refusal)


def test_before_the_rules_are_accepted_it_is_said_where_to_accept_them(server):
    server.status = 403
    with refused(
        r"rules \(403\)\. Accept them at\n +https://www.kaggle.com/competitions/digit-recognizer/rules"
    ) as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_another_answer_is_passed_on(server, status):
    server.status = status
    with refused(f"answered {status}") as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


def test_without_a_network_it_is_said_that_kaggle_cannot_be_reached(server):
    server.shutdown()
    server.server_close()
    with refused("Kaggle cannot be reached") as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


def test_an_archive_that_is_none_is_a_failure_in_words(server):
    server.files = b"<html>not an archive</html>"
    with refused(
        "kagglehub could not fetch Kaggle's files: ValueError, Unsupported archive type. Try again"
    ) as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


def test_a_broken_credentials_file_is_named(server, monkeypatch, tmp_path):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    path = tmp_path / "home" / ".kaggle" / "kaggle.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with refused("Invalid Kaggle credentials file at .*kaggle.json. Make a new token") as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


def test_a_full_disk_is_named(server, monkeypatch):
    def full(name):
        raise OSError(errno.ENOSPC, "No space left on device", "/there")

    monkeypatch.setattr(kagglehub, "competition_download", full)
    with refused("cannot be stored in /there: No space left on device. KAGGLEHUB_CACHE can name another folder"):
        load_dataset("kaggle")


def test_without_kagglehub_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'chainrule\[kaggle\]'") as refusal:
        load_dataset("kaggle")
    ends_by_hand(refusal)


def test_an_archive_that_lacks_a_file_is_named(server, few, tmp_path):
    server.files = zipped(tmp_path, names=("train.csv",))
    with pytest.raises(DataFileError, match=r"lacks test\.csv\. Delete .*digit-recognizer and type: chainrule"):
        load_dataset("kaggle")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"train": 4}, r"train\.csv has 4 pictures; Kaggle's has 3 with labels\. Delete"),
        ({"test": 1}, r"test\.csv has 1 pictures; Kaggle's has 2 without labels\. Delete"),
    ],
)
def test_files_with_other_numbers_of_rows_are_not_taken(server, few, tmp_path, rows, message):
    server.files = zipped(tmp_path, **rows)
    with pytest.raises(DataFileError, match=message):
        load_dataset("kaggle")


def test_a_file_with_labels_is_not_the_one_without(few, tmp_path):
    for name, rows, labelled in (("train.csv", 3, False), ("test.csv", 2, True)):
        with pytest.raises(DataFileError, match=rf"{name} has {rows} pictures; Kaggle's has {rows} with"):
            kaggle.require_kaggles(tmp_path / name, rows, labelled)


def test_a_file_that_was_cut_since_is_named_with_what_to_do(server, few, tmp_path):
    server.files = zipped(tmp_path)
    path = load_dataset("kaggle").files[1]
    path.write_text(path.read_text()[:-40])
    server.shutdown()
    server.server_close()
    with pytest.raises(DataFileError, match=r"test\.csv.*line 3.*Delete .* and type: chainrule data kaggle"):
        load_dataset("kaggle")


def test_kaggle_is_among_the_names_that_are_suggested():
    with pytest.raises(UnknownNameError, match="Did you mean 'kaggle'"):
        load_dataset("kagle")
