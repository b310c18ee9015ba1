import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule import atomic
from chainrule.atomic import replace_file, replacing, require_writable
from chainrule.errors import OutputError

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "model"
    path.write_bytes(b"old")
    return path


def refuse(code):
    def refused(*arguments, **options):
        raise OSError(code, os.strerror(code))

    return refused


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_new_file_is_written(tmp_path):
    replace_file(tmp_path / "model", b"new")
    assert contents(tmp_path) == {"model": b"new"}


def test_an_old_file_is_replaced_whole_even_by_a_shorter_one(target):
    target.write_bytes(b"old and much longer")
    replace_file(target, b"")
    assert contents(target.parent) == {"model": b""}


def test_it_is_replaced_in_one_step_by_a_file_that_is_complete_and_flushed(target, monkeypatch):
    seen, flushed = [], []
    real_replace, real_fsync = Path.replace, os.fsync

    def watched_fsync(descriptor):
        flushed.append(os.fstat(descriptor).st_ino)
        real_fsync(descriptor)

    def watched_replace(temporary, path):
        seen.append((temporary.parent, temporary.read_bytes(), path.read_bytes(), temporary.stat().st_ino in flushed))
        return real_replace(temporary, path)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    replace_file(target, b"new" * 100_000)
    assert seen == [(target.parent, b"new" * 100_000, b"old", True)]


def test_whoever_has_the_old_file_open_still_reads_the_old_one(target):
    with target.open("rb") as file:
        replace_file(target, b"new")
        assert file.read() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize(("where", "name"), [(os, "fsync"), (os, "open"), (Path, "replace"), (Path, "chmod")])
def test_after_a_failure_the_old_file_is_whole_and_nothing_else_is_left(target, monkeypatch, where, name):
    with monkeypatch.context() as patch:
        patch.setattr(where, name, refuse(errno.ENOSPC))
        with pytest.raises(OutputError, match="No space left on device") as caught:
            replace_file(target, b"new")
    assert str(target) in str(caught.value)
    assert contents(target.parent) == {"model": b"old"}


@pytest.mark.parametrize(("where", "name"), [(os, "fsync"), (Path, "replace")])
def test_a_failed_first_save_leaves_nothing(tmp_path, monkeypatch, where, name):
    with monkeypatch.context() as patch:
        patch.setattr(where, name, refuse(errno.EIO))
        with pytest.raises(OutputError):
            replace_file(tmp_path / "model", b"new")
    assert contents(tmp_path) == {}


def test_an_interruption_leaves_the_old_file_and_goes_on_as_an_interruption(target, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            replace_file(target, b"new")
    assert contents(target.parent) == {"model": b"old"}


@POSIX
def test_a_folder_that_cannot_be_flushed_does_not_undo_what_was_saved(target, monkeypatch):
    real_fsync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not for folders")
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    replace_file(target, b"new")
    assert contents(target.parent) == {"model": b"new"}


@POSIX
def test_the_folder_is_flushed_too(target, monkeypatch):
    flushed, real_fsync = [], os.fsync

    def watched(descriptor):
        flushed.append(os.fstat(descriptor).st_ino)
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    replace_file(target, b"new")
    assert flushed == [target.stat().st_ino, target.parent.stat().st_ino]


def test_a_missing_folder_is_named_and_not_made(tmp_path):
    with pytest.raises(OutputError, match="Choose a file in a folder that exists and is writable") as caught:
        replace_file(tmp_path / "missing" / "model", b"new")
    assert str(tmp_path / "missing" / "model") in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(OutputError, match=r"it is a folder\. Give the name of a file in it"):
        replace_file(tmp_path / "model", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").is_dir()


@POSIX
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0, 0o666)])
def test_permissions_follow_the_umask_and_leave_it_as_it_was(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        replace_file(tmp_path / "model", b"new")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == mode


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_an_old_file_keeps_its_permissions(target, mode):
    target.chmod(mode)
    replace_file(target, b"new")
    assert contents(target.parent) == {"model": b"new"}
    assert stat.S_IMODE(target.stat().st_mode) == mode


@POSIX
def test_a_private_file_is_private_while_it_is_written(target):
    target.chmod(0o600)
    with replacing(target) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600


@POSIX
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nothing yet"])
def test_a_link_stays_and_its_target_is_replaced(tmp_path, there):
    (tmp_path / "models").mkdir()
    if there:
        (tmp_path / "models" / "one").write_bytes(b"old")
    (tmp_path / "latest").symlink_to(Path("models") / "one")
    require_writable(tmp_path / "latest")
    replace_file(tmp_path / "latest", b"new")
    assert (tmp_path / "latest").is_symlink()
    assert contents(tmp_path / "models") == {"one": b"new"}


@POSIX
def test_a_link_in_a_circle_is_refused(tmp_path):
    (tmp_path / "model").symlink_to("model")
    for write in (lambda path: replace_file(path, b"new"), require_writable):
        with pytest.raises(OutputError, match="symbolic links"):
            write(tmp_path / "model")


def a_device(folder):
    """The one that swallows all, a copy of it for whoever could replace the one that everybody writes to."""
    if os.geteuid():
        return Path(os.devnull)
    try:
        os.mknod(folder / "device", 0o666 | stat.S_IFCHR, Path(os.devnull).stat().st_rdev)
    except PermissionError:
        pytest.skip("this root may not make devices")
    return folder / "device"


@POSIX
@pytest.mark.parametrize("kind", ["device", "pipe", "a link to a device"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    device = a_device(tmp_path)
    path = device if kind == "device" else tmp_path / "model"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "a link to a device":
        path.symlink_to(device)
    before = path.stat().st_mode
    for write in (lambda path: replace_file(path, b"new"), require_writable):
        with pytest.raises(OutputError, match=r"it is a device or a pipe, not a file\. Choose another name"):
            write(path)
    assert path.stat().st_mode == before


def test_a_name_as_long_as_the_folder_allows_can_be_written(tmp_path):
    replace_file(tmp_path / ("x" * 255), b"new")
    assert contents(tmp_path) == {"x" * 255: b"new"}
    for write in (lambda path: replace_file(path, b"new"), require_writable):
        with pytest.raises(OutputError, match="name too long"):
            write(tmp_path / ("x" * 256))


def test_a_path_may_be_text(tmp_path):
    require_writable(str(tmp_path / "model"))
    replace_file(str(tmp_path / "model"), b"new")
    assert contents(tmp_path) == {"model": b"new"}


# ---------------------------------------------------------------------------------------------- replacing


def test_what_is_written_piece_by_piece_appears_whole(target):
    with replacing(target) as file:
        file.write(b"new, ")
        file.flush()
        assert target.read_bytes() == b"old"
        file.write(b"whole")
    assert contents(target.parent) == {"model": b"new, whole"}


@pytest.mark.parametrize(("raised", "seen"), [(OSError("disk full"), OutputError), (KeyError("mine"), KeyError)])
def test_a_block_that_raises_leaves_what_was_there(target, raised, seen):
    def write_half():
        with replacing(target) as file:
            file.write(b"half")
            raise raised

    with pytest.raises(seen, match=r"disk full\. What was there before is untouched\. Make room|mine"):
        write_half()
    assert contents(target.parent) == {"model": b"old"}


# --------------------------------------------------------------------------------------- require_writable


@pytest.mark.parametrize("name", ["model", "new"])
def test_a_writable_path_is_let_through_and_nothing_is_left_there(target, name):
    require_writable(target.parent / name)
    assert contents(target.parent) == {"model": b"old"}


def test_a_bare_name_is_a_file_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_writable(Path("model"))
    replace_file(Path("model"), b"new")
    assert contents(tmp_path) == {"model": b"new"}


def test_a_folder_is_refused_in_advance(tmp_path):
    with pytest.raises(OutputError, match=r"it is a folder\. Give the name of a file in it"):
        require_writable(tmp_path)


@pytest.mark.parametrize("parent", ["missing", "model"], ids=["missing", "a file"])
def test_a_path_in_no_folder_is_refused_in_advance(target, parent):
    with pytest.raises(OutputError, match=r"there is no folder .*Create it, or choose another") as caught:
        require_writable(target.parent / parent / "model")
    assert str(target.parent / parent) in str(caught.value)


def test_the_folder_is_named_as_it_was_given_and_that_of_a_links_target_in_full(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"there is no folder missing\. Create it"):
        require_writable(Path("missing/model"))
    Path("link").symlink_to("elsewhere/model")
    with pytest.raises(OutputError, match=r"there is no folder /.*elsewhere\. Create it"):
        require_writable(Path("link"))


def test_a_folder_that_cannot_be_written_is_refused_in_advance(target, monkeypatch):
    monkeypatch.setattr(atomic.tempfile, "TemporaryFile", refuse(errno.EACCES))
    with pytest.raises(OutputError, match=r"Permission denied\. Choose a folder that is writable") as caught:
        require_writable(target)
    assert str(target) in str(caught.value)


KILLED_AT_LINE = """
import os, signal, sys
from pathlib import Path
from chainrule.atomic import replace_file

target, old, new = Path("model"), b"o" * 100_000, b"n" * 200_000
target.write_bytes(old)
seen = {old: 0, new: 0}

def killed_at(line):
    left = line

    def trace(frame, event, _):
        nonlocal left
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    child = os.fork()
    if child == 0:
        sys.settrace(trace)
        replace_file(target, new)
        sys.settrace(None)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

line = 1
while killed_at(line):
    seen[target.read_bytes()] += 1  # a KeyError if it is neither
    target.write_bytes(old)
    line += 1
assert target.read_bytes() == new
print(line - 1, seen[old], seen[new])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_killed_at_any_line_of_a_save_the_file_is_the_old_or_the_new_one(tmp_path):
    program = [sys.executable, "-c", KILLED_AT_LINE]
    finished = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    kills, old, new = map(int, finished.stdout.split())
    assert kills > 30
    assert old + new == kills
    assert old > 0
    assert new > 0
