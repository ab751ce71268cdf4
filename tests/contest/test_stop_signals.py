"""Signals that ask for the end: each raises once, clearing up is left alone, and handlers are put back."""

import os
import signal
import threading

import pytest

from contest import stop_signals as module
from contest.stop_signals import Stopped, stop_signals, stop_when_convenient


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "hung up"),
        (signal.SIGUSR1, 138, "stopped by SIGUSR1"),
    ],
)
def test_a_signal_raises_with_its_status(number: int, status: int, word: str) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, stop_signals():
        os.kill(os.getpid(), number)
    assert (caught.value.status, str(caught.value)) == (status, word)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("seconds", "status"), [(10.0, 143), (0.0, 130)])
def test_a_second_signal_counts_only_after_the_time_for_clearing_up(
    seconds: float, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(module, "TIDYING_SECONDS", seconds)
    with pytest.raises(Stopped) as caught, stop_signals():
        work()
    assert caught.value.status == status


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals():
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_takes_no_signals() -> None:
    seen = []

    def look() -> None:
        with stop_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_work_that_ends_in_its_own_time_is_told_of_the_signal(number: int) -> None:
    with stop_signals(), stop_when_convenient() as request:
        assert request.number == 0
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGTERM)  # of the same moment: the same one
        assert request.number == number


@pytest.mark.parametrize(("later", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_who_asks_once_more_is_in_earnest(later: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), later)

    monkeypatch.setattr(module, "TIDYING_SECONDS", 0.0)
    with pytest.raises(Stopped) as caught, stop_signals(), stop_when_convenient():
        work()
    assert caught.value.status == status


def test_a_signal_that_is_ignored_is_not_noted_either() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with stop_when_convenient() as request:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert request.number == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
