"""BLAS has one number of threads for the whole process; whoever computes has the one it needs, from any thread."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_limits

from chainrule import threads
from chainrule.machine import blas
from chainrule.threads import all_blas_threads, one_blas_thread, share_out

#: How long to look whether somebody comes in who should not; whoever may come in is there at once.
MOMENT = 0.1


@pytest.fixture(autouse=True)
def two_blas_threads():
    """As the user has it, on one core as well."""
    with threadpool_limits(2, "blas"):
        yield
        assert blas_threads() == 2


def blas_threads():
    return blas()["threads"]


class Visitor:
    """A thread that goes in when it is told to, and stays until it is told to leave."""

    def __init__(self, pool, need):
        self.inside, self.may_leave = threading.Event(), threading.Event()
        self.stay = pool.submit(self._visit, need)

    def _visit(self, need):
        with need():
            self.inside.set()
            assert self.may_leave.wait(10)

    def leave(self):
        self.may_leave.set()
        self.stay.result(10)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def test_blas_has_one_thread_while_that_is_needed():
    with one_blas_thread():
        assert blas_threads() == 1
        with one_blas_thread():
            assert blas_threads() == 1
        assert blas_threads() == 1
    assert blas_threads() == 2
    with pytest.raises(RuntimeError), one_blas_thread():
        raise RuntimeError
    assert blas_threads() == 2


def test_blas_has_all_threads_while_they_are_needed():
    with all_blas_threads():
        assert blas_threads() == 2


def test_what_is_needed_inside_of_other_work_is_had_there_and_the_other_again_afterwards():
    with one_blas_thread():
        with all_blas_threads():
            assert blas_threads() == 2
            with one_blas_thread():
                assert blas_threads() == 1
            assert blas_threads() == 2
        assert blas_threads() == 1


def test_another_thread_has_what_it_needs_even_where_the_main_thread_set_the_number(pool):
    visitor = Visitor(pool, one_blas_thread)
    assert visitor.inside.wait(10)
    assert blas_threads() == 1
    visitor.leave()
    assert blas_threads() == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["first in, first out", "last in, first out"])
def test_the_last_to_leave_gives_blas_its_threads_back(pool, order):
    visitors = [Visitor(pool, one_blas_thread) for _ in range(2)]
    assert all(visitor.inside.wait(10) for visitor in visitors)
    visitors[order[0]].leave()
    assert blas_threads() == 1
    visitors[order[1]].leave()
    assert blas_threads() == 2


@pytest.mark.parametrize(
    ("first", "second"), [(one_blas_thread, all_blas_threads), (all_blas_threads, one_blas_thread)]
)
def test_who_needs_another_number_waits(pool, first, second):
    one = Visitor(pool, first)
    assert one.inside.wait(10)
    other = Visitor(pool, second)
    assert not other.inside.wait(MOMENT)
    one.leave()
    assert other.inside.wait(10)
    other.leave()


def test_nobody_passes_one_who_waits(pool):
    inside = Visitor(pool, one_blas_thread)
    assert inside.inside.wait(10)
    waiting = Visitor(pool, all_blas_threads)
    assert not waiting.inside.wait(MOMENT)
    late = Visitor(pool, one_blas_thread)
    assert not late.inside.wait(MOMENT)
    inside.leave()
    assert waiting.inside.wait(10)
    assert not late.inside.is_set()
    waiting.leave()
    late.leave()


def test_work_is_shared_out_with_one_blas_thread_and_comes_back_in_order():
    barrier = threading.Barrier(3)

    def work(number, letter):
        barrier.wait(10)  # all three at once
        return number, letter, blas_threads()

    assert share_out(work, [1, 2, 3], "abc") == [(1, "a", 1), (2, "b", 1), (3, "c", 1)]


def test_what_goes_wrong_in_shared_work_is_raised():
    with pytest.raises(ZeroDivisionError):
        share_out(lambda n: 1 // n, [1, 0])


DEADLOCKS = {
    "both need the other number inside of their work": """
def work(_):
    with all_blas_threads():
        barrier.wait()
        with one_blas_thread():
            return 1

with ThreadPoolExecutor(2) as pool:
    print(sum(pool.map(work, range(2))))
""",
    "shared work holds BLAS itself, and somebody waits for the whole of the work": """
def other():
    barrier.wait()
    with all_blas_threads():
        pass

def work(_):
    while not threads._ROOM._door.locked():
        pass
    with one_blas_thread():
        return 1

with ThreadPoolExecutor(1) as pool, one_blas_thread():
    pool.submit(other)
    barrier.wait()
    print(sum(share_out(work, range(2))))
""",
}


@pytest.mark.parametrize("program", DEADLOCKS.values(), ids=DEADLOCKS)
def test_nobody_waits_for_ever(program):
    """In a process of its own, which can be ended if they do."""
    program = (
        "import threading; from chainrule import threads; from concurrent.futures import ThreadPoolExecutor\n"
        "from chainrule.threads import all_blas_threads, one_blas_thread, share_out\n"
        "barrier = threading.Barrier(2)\n"
    ) + program
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout == "2\n"


def test_a_threadpoolctl_that_lets_any_thread_set_the_number_will_do(monkeypatch):
    """Its older releases, which have no thread to forget."""

    class Library:
        lib_controllers = (object(),)
        limits = ()

        def limit(self, limits):
            self.limits += (limits,)
            return self

        def restore_original_limits(self):
            self.limits += ("restored",)

    library = Library()
    monkeypatch.setattr(threads, "_blas_library", lambda: library)
    with one_blas_thread():
        assert library.limits == (1,)
    assert library.limits == (1, "restored")


def test_afterwards_anybody_may_set_the_number_again(pool):
    visitor = Visitor(pool, one_blas_thread)
    assert visitor.inside.wait(10)
    visitor.leave()  # the thread that gave the threads back is still there
    with threadpool_limits(1, "blas"):
        assert blas_threads() == 1
