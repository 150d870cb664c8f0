"""Lets several agents try at the same time, their sessions advancing in one batch.

It does not know how an agent works nor how a batch is made. What comes out does not depend on who
is faster, unless the budget runs out on them: attempts are handed over in the agents' order, and a
later one's news wait for its turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from egbot.ports import DecodeSession, SessionCancelledError
from egbot.progress import AttemptEnded, AttemptStarted, Progress, Report
from egbot.records import Attempt, Guidance
from egbot.synthesis.search import write_function
from egbot.synthesis.task import Task

Open = Callable[[Guidance], DecodeSession]


def try_together(
    task: Task,
    agents: Sequence[tuple[int, Guidance]],
    open_session: Open,
    cancel: Callable[[], None],
) -> Iterator[Attempt]:
    """Attempts in the order of ``agents``, which are numbered; all of them work from the start.

    When nobody asks for more, ``cancel`` ends what is still under way; it must make every session
    raise SessionCancelledError.
    """
    turns = _Turns(task.report)
    with ThreadPoolExecutor(len(agents), thread_name_prefix="egbot-agent") as threads:
        tries: list[Future[Attempt]] = [
            threads.submit(_try, task, turns, number, guidance, open_session)
            for number, guidance in agents
        ]
        try:
            for (number, _), done in zip(agents, tries, strict=True):
                turns.begin(number)
                attempt = done.result()
                turns.rest()
                yield attempt
        finally:
            cancel()


def _try(task: Task, turns: _Turns, number: int, guidance: Guidance, open_session: Open) -> Attempt:
    def report(event: Progress) -> None:
        turns.tell(number, event)

    own = replace(task, report=report)
    report(AttemptStarted(number, guidance))
    try:
        attempt = write_function(own, open_session(guidance), guidance)
    except SessionCancelledError:
        attempt = Attempt(guidance, "stopped", (), "", 0, 0.0)
    report(AttemptEnded(attempt))
    return attempt


@dataclass(slots=True)
class _Turns:
    """Whose news are told: those of the first agent that is not done; the others' wait.

    ``report`` is called in the thread that begins and ends turns, or in the agent's own.
    """

    report: Report
    _turn: int = -1
    _waiting: dict[int, list[Progress]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def begin(self, number: int) -> None:
        """Tell what ``number`` has to say so far, and from now on at once."""
        with self._lock:
            self._turn = number
            for event in self._waiting.pop(number, []):
                self.report(event)

    def rest(self) -> None:
        """Tell nothing until the next turn."""
        with self._lock:
            self._turn = -1

    def tell(self, number: int, event: Progress) -> None:
        """Tell ``event`` at once or later."""
        with self._lock:
            if number == self._turn:
                self.report(event)
            else:
                self._waiting.setdefault(number, []).append(event)
