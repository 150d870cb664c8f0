"""Work that does not look at the clock is ended from outside, and what surrounds it goes on."""

from __future__ import annotations

import signal
import subprocess
import threading
import time

import pytest

from egbot.deadline import ended_after, held
from egbot.errors import OutOfTimeError


def compute() -> None:
    while True:
        pass


def wait_for_a_program() -> None:
    subprocess.run(["sleep", "600"], check=False)


def swallow_once() -> None:
    """As a callback of the import system does."""
    try:
        compute()
    except BaseException:  # noqa: BLE001
        compute()


@pytest.mark.parametrize("work", [compute, wait_for_a_program, swallow_once])
def test_work_is_ended_at_its_time(work: object) -> None:
    assert callable(work)
    handler = signal.getsignal(signal.SIGALRM)
    with pytest.raises(OutOfTimeError, match="the download took"), ended_after(0.2, "the download"):
        work()
    assert signal.getsignal(signal.SIGALRM) is handler


def test_work_that_is_done_in_time_is_left_alone() -> None:
    """An alarm that somebody else has set still comes."""
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    before_s, interval_s = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with ended_after(1e9, "nothing"):
            assert signal.getitimer(signal.ITIMER_REAL)[0] > 1000
        while not rung:
            time.sleep(0.01)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, before_s, interval_s)


def test_no_time_means_no_work() -> None:
    with pytest.raises(OutOfTimeError), ended_after(0.0, "it"):
        raise AssertionError


def test_another_thread_s_work_is_not_interrupted() -> None:
    done: list[int] = []

    def work() -> None:
        with ended_after(0.01, "it"):
            time.sleep(0.1)
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_the_end_waits_for_what_is_being_started() -> None:
    started = []

    def start() -> None:
        with held():
            signal.raise_signal(signal.SIGALRM)
            started.append(1)
        compute()

    with pytest.raises(OutOfTimeError), ended_after(600.0, "a model"):
        start()
    assert started
