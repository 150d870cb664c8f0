"""The protocols between the rooms: what the line loop may ask of a model and of a sandbox.

Neither side's library shows here; ``egbot.testing`` holds the fakes that keep these promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from egbot.records import (
    Collection,
    Execution,
    GuidedText,
    Job,
    Limits,
    Probe,
    Prompt,
    Sample,
    Tree,
    Usage,
)

StopRule = Callable[[str], bool]
"""Given the text written since the current position: is it enough? Called after every token.

Asked about drafts as well, so that it must not count its calls where drafts are given.
"""


class DecodeSession(Protocol):
    """One answer in the making. Sampling looks ahead; only ``advance`` and ``keep`` move on."""

    @property
    def text(self) -> str:
        """The answer so far, without the prompt's ``response_prefix``."""
        ...

    @property
    def usage(self) -> Usage:
        """What this session has cost so far."""
        ...

    def sample(  # noqa: PLR0913  each says how to draw
        self,
        num_samples: int,
        *,
        temperature: float,
        top_p: float,
        max_tokens: int,
        seed: int,
        stop: StopRule,
        starts: tuple[str, ...] = (),
    ) -> tuple[Sample, ...]:
        """Draw continuations of ``text`` from the plain side. Temperature 0 is greedy.

        The first rows go on from ``starts``, one each, which then stand in front of their text:
        what is left of earlier samples that began as ``text`` has gone on since. Greedy rows have
        none: they are all the same.
        """
        ...

    def cost(self, signal: str, *, max_tokens: int) -> int:
        """How many tokens ``advance`` forwards to read ``signal``, before it writes anything."""
        ...

    def advance(
        self,
        *,
        signal: str,
        gamma: float,
        max_tokens: int,
        stop: StopRule,
        drafts: tuple[str, ...] = (),
    ) -> GuidedText:
        """Decode greedily from the guided distribution and append what was decoded to ``text``.

        An empty signal or gamma 0 is plain greedy decoding. ``drafts`` are texts that may come,
        such as samples drawn from here, the likeliest first: they save time and change no token.
        """
        ...


class Decoder(Protocol):
    """A loaded model."""

    @property
    def name(self) -> str:
        """The model's name as a person would write it."""
        ...

    def open(self, prompt: Prompt) -> DecodeSession:
        """Start an answer to ``prompt``. Raises ModelError when the prompt exceeds the context."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the model needs for ``text``."""
        ...


class SessionCancelledError(Exception):
    """The group of this session was cancelled, for instance because another one has the solution.

    It says nothing bad of anybody, so that it is no ``EgbotError``; whoever cancels catches it.
    """


class SessionGroup(Protocol):
    """Sessions that advance in one batch while each is used from a thread of its own.

    What a session decodes does not depend on the others. A session that is away, ends or fails
    holds up nobody. Leaving the ``with`` block cancels what is still under way; stop rules are
    asked in a thread of the group's own. A pool of threads must be left after the group.
    """

    def open(self, prompt: Prompt) -> DecodeSession:
        """Start an answer to ``prompt``; a device reads one that was opened before no second time.

        Raises ModelError when the prompt exceeds the context. The session's methods, as this one,
        raise SessionCancelledError once the group is cancelled.
        """
        ...

    def cancel(self) -> None:
        """End all calls that are under way, and all that follow. Safe from any thread, twice."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel it."""
        ...


@runtime_checkable
class GroupDecoder(Decoder, Protocol):
    """A model whose sessions can advance together."""

    def together(self) -> SessionGroup:
        """A group without sessions yet."""
        ...


class Executor(Protocol):
    """One warm sandbox that holds one tree with its tests collected. Close it after use."""

    @property
    def collection(self) -> Collection:
        """What pytest collected when the sandbox was opened."""
        ...

    def run(self, job: Job) -> Execution:
        """Run one job. Hostile or broken programs are data; only a lost sandbox raises."""
        ...

    def close(self) -> None:
        """End the sandbox and all that runs in it. Safe to call twice."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        ...


class Sandbox(Protocol):
    """A way to get executors: one backend, prepared for one repository's dependencies."""

    @property
    def backend(self) -> str:
        """``docker``, ``bubblewrap`` or ``process``."""
        ...

    @property
    def project(self) -> str:
        """The folder of the repository whose tests it runs, "" for the root."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """The requirement lines of the repository that could not be installed, and why."""
        ...

    def open(
        self, tree: Tree, tests: Iterable[str], limits: Limits, probe: Probe | None = None
    ) -> Executor:
        """Start a fresh sandbox holding ``tree`` and collect ``tests`` (empty: the whole suite).

        With a ``probe``, recorders stand in for what is missing, and tell what they saw.
        Raises SandboxError when the sandbox cannot start or pytest cannot run in it at all.
        """
        ...
