"""The side of the probe that pytest's hooks see: a state for each test, its evidence when it is over."""

from __future__ import annotations

import json
import os
import sys
import time
from itertools import accumulate
from typing import Any

from sandbox import blocks
from sandbox.asking import Ground, moments
from sandbox.lessons import suggest
from sandbox.missing import Missing
from sandbox.noting import expect, is_recorder, note
from sandbox.stage import STAGE, Sight, State

MAX_EVIDENCE_CHARS = 700_000
_COMPARED = 10_000
"""So much further than any other exception is an assertion's, which is asked last."""
_MAX_ENTERED = 2000
_MAX_NOTES = 40
_PASSED = 10_000_000
"""The line that stands for a test's end, as progress."""

Evidence = dict[str, Any]
Lessons = list[dict[str, str]]


class Probing:
    """Recorders in place of all that is missing below ``root``; ``probe`` is the host's, as JSON.

    A test may take ``test_s`` seconds, of which meeting recorders may take a part.
    """

    def __init__(self, probe: dict[str, Any], root: str, test_s: float) -> None:
        self._lessons: Lessons = probe["lessons"]
        self._test_s = test_s
        self._ground = STAGE.ground = Ground(root, probe["test_paths"])
        self._finder = Missing(probe)
        self._suggested: Lessons = []
        self._test = ""
        self._blind: list[str] = []
        self._unasked: Lessons = []
        STAGE.state = State(self._lessons, time.monotonic() + 10 * test_s, prefix="c ")

    def install(self) -> None:
        """Stand in from now on; before anything of the repository is imported."""
        blocks.install(self._blind.append)
        try:
            self._rewrite(sys.modules["_pytest.assertion.rewrite"])
        except Exception as error:
            self._blind.append(f"test modules cannot be followed: {error}")
        self._finder.install()
        self._finder.begin()

    def _rewrite(self, rewrite: Any) -> None:
        """Let pytest's own loader take no file that is to be looked after, and see our builtins."""
        hook = rewrite.AssertionRewritingHook
        find, execute, finder, ground = hook.find_spec, hook.exec_module, self._finder, self._ground

        def find_spec(self: Any, *args: Any, **kwargs: Any) -> Any:
            spec = find(self, *args, **kwargs)
            return None if spec is not None and ground.is_ours(str(spec.origin)) else spec

        def exec_module(self: Any, module: Any) -> None:
            if ground.relative(str(module.__file__)) is not None:
                finder.rewritten(module)
            execute(self, module)

        hook.find_spec, hook.exec_module = find_spec, exec_module

    # --- collection ---

    def on_collect_error(self, error: BaseException) -> None:
        """A module could not be collected: keep what that teaches."""
        self._suggested += suggest(error, STAGE.state, "")[:8]

    def collected(self) -> Evidence:
        """Collection is over: return what it saw."""
        lessons = [json.loads(one) for one in dict.fromkeys(map(json.dumps, self._suggested))]
        STAGE.calls_early = STAGE.state.calls
        missed = [one for one in STAGE.state.missed if one.kind == "module"]
        self._unasked = [dict(one._asdict(), test="") for one in missed]
        return self._pack(STAGE.state, lessons[:40], (0, STAGE.state.num_events))

    # --- one test ---

    def begin(self, test: str, lessons: Lessons) -> None:
        """A test begins, with the lessons for it and for all."""
        self._test = test
        mine = [one for one in [*self._lessons, *lessons] if one["test"] in ("", test)]
        STAGE.state = State(mine, time.monotonic() + 0.6 * self._test_s)
        self._finder.begin()
        self._finder.stubs.entered.clear()

    def on_call(self, function: Any, arguments: dict[str, Any]) -> None:
        """A test gets its fixtures, each of which is what its annotation says."""
        names = getattr(function, "__globals__", {})
        for name, said in getattr(function, "__annotations__", {}).items():
            kind = names.get(said) if isinstance(said, str) else said
            if is_recorder(kind) and is_recorder(arguments.get(name)):
                expect(arguments[name], "isinstance", kind)
                note("class", kind, once=True)

    def on_compare(self, left: Any, right: Any) -> None:
        """A comparison in an assertion is false."""
        STAGE.state.pair = (left, right)

    def on_exception(self, error: BaseException) -> None:
        """A phase of the test ended with an exception; the first one counts."""
        if STAGE.state.error is None:
            STAGE.state.error = error

    def end(self, passed: bool = False) -> Evidence:
        """The test is over, or time is: return what it saw and what to try next."""
        state, lessons = STAGE.state, []
        if not passed:
            try:
                lessons = suggest(state.error, state, self._test)
            except Exception as error:
                state.note(f"what the failure teaches: {type(error).__name__}: {error}")
            lessons = [*lessons, *(one for one in self._unasked if one not in lessons)][:40]
        line = _PASSED if passed else self._line(state.error)
        compared = _COMPARED * isinstance(state.error, AssertionError)
        return self._pack(state, lessons, (line, state.num_events + compared))

    def _line(self, error: BaseException | None) -> int:
        """How far the test itself came, not a helper of its file."""
        path = self._test.partition("::")[0]
        frames = [] if error is None else moments(error)
        files = [(self._ground.relative(one.f_code.co_filename), one.f_lineno) for one in frames]
        return next((line for file, line in files if file == path), 0)

    # --- evidence ---

    def _pack(self, state: State, lessons: Lessons, progress: tuple[int, int]) -> Evidence:
        functions = [
            self._finder.stubs.functions[one] for one in sorted(self._finder.stubs.entered)
        ]
        entered = [dict(one._asdict(), qualname=one.qualname[:400]) for one in functions]
        notes = [*self._blind, *state.notes]
        if len(entered) > _MAX_ENTERED:
            notes.append(f"of {len(entered)} functions that were entered, {_MAX_ENTERED} are told")
        sights = [*self._homes(state.sights), *state.sights]
        sizes = accumulate(len(json.dumps(one)) for one in sights[:2000])
        kept = [one for one, size in zip(sights, sizes) if size <= MAX_EVIDENCE_CHARS]  # noqa: B905
        if len(kept) < len(sights):
            notes.append(f"{len(sights) - len(kept)} things that happened do not fit in")
        evidence = {
            "sights": kept,
            "entered": entered[:_MAX_ENTERED],
            "suggestions": lessons,
            "progress": list(progress),
            "notes": [one[:400] for one in notes[:_MAX_NOTES]],
        }
        text = json.dumps(evidence, ensure_ascii=False)  # without halves of pairs (surrogates)
        return json.loads(text.encode("utf-8", "replace"))  # type: ignore[no-any-return]

    def _homes(self, sights: list[Sight]) -> list[Sight]:
        """Which files the modules are that the sights speak of, and the packages around them.

        A package without a file of its own is its folder, with a slash.
        """
        found = []
        asked = [one["who"].partition(":")[0].split(".") for one in sights]
        names = [".".join(parts[: end + 1]) for parts in asked for end in range(len(parts))]
        for name in dict.fromkeys(names):
            module = sys.modules.get(name, self._finder.executed.get(name))
            file = getattr(module, "__file__", None)
            folder = next(iter(getattr(module, "__path__", ())), None) if file is None else None
            at = file if isinstance(file, str) else os.path.join(str(folder), "")
            path = None if module is None else self._ground.relative(at)
            if path is not None and type(module).__name__ != "MissingModule":
                place = {"path": path, "line": 1}
                found.append({"kind": "module", "who": name, "detail": "exists", "place": place})
        return found
