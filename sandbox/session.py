"""One pytest session that becomes many processes: collected once, or collected afresh per run.

It never holds the protocol. pytest is started once, up to where it would import the first file of
the repository. There the process forks: one side goes on, collects the tests and becomes the
collected zygote; the other stays uncollected, and forks whenever a candidate needs an import.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import platform
import random
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from sandbox import kernel
from sandbox.calm import hold_filters
from sandbox.child import Work, collect_fault, run_tests, settle
from sandbox.faults import plain_fault
from sandbox.ids import arguments, file_of
from sandbox.plugin import Plugin
from sandbox.probing import Probing
from sandbox.reprs import printable
from sandbox.swap import AfreshError, Called, modules_below, swap, watch_calls
from sandbox.wire import Message
from sandbox.zygote import Channel, ZygoteLostError, ending, serve

MAX_ID_CHARS = 8192
"""A test with a longer id is left out, as is one that is no text: it travels with each run."""

MAX_UNASKABLE = 2000

_TEXT_STRATEGIES = ("text(", "characters(", "from_regex(", "from_type(", "builds(", "emails(")


class Session:
    """pytest in the repository at ``root`` with ``args`` and what the bot's ``opening`` asks for.

    It serves over ``channels``: the collected zygote's, the other's. pytest imports plugins that
    the repository itself provides as it starts, so that the uncollected zygote has to fork before.
    With a probe, recorders stand in for what is missing.
    """

    def __init__(
        self, root: str, args: list[str], opening: Message, channels: tuple[Channel, Channel]
    ) -> None:
        folder, tests, probe = opening["folder"], opening["tests"], opening["probe"]
        test_s = opening["limits"]["test_s"]
        self._root = root
        self._args = [*args, *arguments(root, folder, tests)]
        self._plugins: dict[str, str] = (opening["project"] or {}).get("plugins", {})
        self._collected, self._fresh = channels
        self._stop_watch: Callable[[], Called] = set
        self._let_filters: Callable[[], None] = _nothing
        self._work: Work | None = None
        self._chance: Any = None
        on_start = _nothing if self._plugins else self._split
        self._probing = None if probe is None else Probing(probe, root, test_s)
        self._plugin = Plugin((root, folder), tests, test_s, on_start, self._on_loop, self._probing)

    def run(self) -> None:
        """Run pytest; every process that comes of it ends here, or with its tests."""
        import pytest

        self._let_filters = hold_filters()
        faulthandler.enable()
        if self._probing is not None:
            self._probing.install()
        if self._plugins:
            self._split()
        args = [*self._failed_plugins(), *self._args]
        self._on_early_end(int(pytest.main(args, plugins=[self._plugin])))

    def _failed_plugins(self) -> list[str]:
        """Import the repository's plugins as pytest will; return options that leave out the others.

        What such a plugin lacks may be what is to be written, so that it must not end everything.
        """
        without: list[str] = []
        for name, reference in self._plugins.items():
            if not reference:  # loaded by another name
                without += ["-p", "no:" + name]
                continue
            try:
                EntryPoint(name, reference, "pytest11").load()
            except Exception as error:
                self._plugin.add_start_error(error)
                without += ["-p", "no:" + name]
        return without

    def _split(self) -> None:
        """Before anything of the repository is imported: become the collected zygote, the fresh one, or a run."""
        self._let_filters()
        gc.collect()
        gc.freeze()
        if os.fork() == 0:
            kernel.die_with_parent()
            self._fresh.end.close()
            self._chance = random.getstate()
            if self._probing is None:
                self._stop_watch = watch_calls(self._root)
            self._plugin.on_file = self._tell_file
            self._tell_file("")
            return
        self._collected.end.close()
        work = self._next_work(self._fresh)
        self._work = work
        if not work.examine():
            os._exit(0)
        self._plugin.paths = list(dict.fromkeys(map(file_of, work.tests)))

    def _tell_file(self, path: str) -> None:
        """Say what is collected now: the runner names it should this process be killed."""
        with contextlib.suppress(ZygoteLostError):
            self._collected.send({"type": "collecting", "path": path, "pid": os.getpid()})

    def _on_loop(self, session: Any) -> None:
        """All tests are collected: serve, or run those asked for."""
        with ending():
            if self._work is None:
                self._serve_collected(session)
            else:
                run_tests(self._work, self._plugin, session)

    def _serve_collected(self, session: Any) -> None:
        called = self._stop_watch()
        chance = random.getstate()
        modules = modules_below(self._root)
        gc.collect()
        gc.freeze()
        self._collected.send(self._answer(session))
        warm_hypothesis(session.items)  # while the bot thinks
        work = self._next_work(self._collected)
        if chance != self._chance:  # the tests' modules seeded it, or drew; else it is chance
            random.setstate(chance)
        if not work.examine():
            return
        if work.program is not None and work.change is not None:
            try:
                swap(work.path, work.program["qualname"], work.change, called, modules)
            except AfreshError as error:
                work.send({"type": "afresh", "detail": str(error)[:1000]})
                return
        run_tests(work, self._plugin, session)

    def _next_work(self, channel: Channel) -> Work:
        """Serve; return in a forked run with what it is to do."""
        kernel.mapped_bytes()
        message, fds = serve(channel)
        return Work(message, self._root, settle(message, fds))

    def _on_early_end(self, code: int) -> None:
        """pytest never came to the tests: say why, whoever this process is."""
        detail = self._plugin.internal_error or _exit_text(code)
        if self._work is not None:
            for test in self._work.tests:
                fault = collect_fault(test, self._plugin) or plain_fault("CollectError", detail)
                self._work.tell(test, "error", fault)
            self._work.send({"type": "done"})
        elif self._plugin.errors:
            self._collected.send(self._answer(None))
        else:
            self._collected.send({"type": "broken", "message": detail})

    def _answer(self, session: Any) -> Message:
        import pytest

        node_ids = [] if session is None else self._plugin.ids(session.items)
        others = [one[:MAX_ID_CHARS] for one in node_ids if not _is_askable(one)]
        return {
            "type": "collected",
            "node_ids": list(filter(_is_askable, node_ids)),
            "unaskable": [printable(one)[:MAX_ID_CHARS] for one in others[:MAX_UNASKABLE]],
            "errors": self._plugin.errors,
            "switched_off": sorted(self._plugin.switched_off),
            "python": platform.python_version(),
            "pytest": str(pytest.__version__),
            "serves": session is not None,
            "evidence": None if self._probing is None else self._probing.collected(),
        }


def _nothing() -> None:
    return


def _is_askable(node_id: str) -> bool:
    """Can it be sent? A half of a pair (a surrogate) cannot."""
    return len(node_id) <= MAX_ID_CHARS and node_id == node_id.encode("utf-8", "ignore").decode()


def warm_hypothesis(items: list[Any]) -> None:
    """Make hypothesis's table of characters where tests ask for text: seconds, else in every run."""
    strategies = sys.modules.get("hypothesis.strategies")
    with contextlib.suppress(Exception):
        paths = {str(item.path) for item in items if item.get_closest_marker("hypothesis")}
        texts = (Path(path).read_text("utf-8", "replace") for path in sorted(paths))
        if strategies and any(word in text for text in texts for word in _TEXT_STRATEGIES):
            strategies.text().validate()


def _exit_text(code: int) -> str:
    meaning = {2: "was interrupted", 3: "had an internal error", 4: "was used wrongly"}
    return f"pytest {meaning.get(code, 'ended early')} (exit status {code})"
