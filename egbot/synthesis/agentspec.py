"""Reads agents from text, such as ``greedy,guided:gamma=1:s=3:d=2+samples:8``; it runs none.

The names are those of the paper: gamma, s (candidates), d (horizon in lines), t (temperature).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any, get_args, get_type_hints

from egbot.errors import UsageError
from egbot.records import Guidance

_MOST_CANDIDATES = 999
_EXAMPLE = "for example: greedy,guided:gamma=1:s=3:d=2:t=0.8,samples:8"


def read_agents(text: str) -> tuple[tuple[Guidance, ...], ...]:
    """The agents that ``text`` names, in that order; ``+`` joins those that try at the same time.

    ``greedy``; ``samples:N`` (N whole functions; with ``:d=2`` those of at most two lines, ``:t=``
    is their temperature); ``guided`` with any of ``gamma= s= d= t= top_p= style= method= trace=
    tell= signal= seed=``. Those that draw have seeds of their own, 0, 1, 2 and so on without those
    that are named, so that none draws what another did. Raises UsageError that names the part that
    cannot be read.
    """
    named = {int(seed) for seed in re.findall(r":seed=([0-9]+)", text)}
    seeds = (seed for seed in count() if seed not in named)
    stages = tuple(
        tuple(_agent(one.strip(), seeds) for one in part.split("+"))
        for part in text.split(",")
        if part.strip()
    )
    if not stages:
        raise UsageError("no agent is named", hint=_EXAMPLE)
    return stages


def _agent(text: str, seeds: Iterator[int]) -> Guidance:
    kind, *options = text.split(":")
    if kind == "greedy":
        greedy = _with(text, Guidance(gamma=0.0, candidates=0), options)
        if greedy.candidates or greedy.gamma:
            raise UsageError(f"agent {text!r}: greedy draws and is told nothing", hint=_EXAMPLE)
        return greedy
    if kind == "guided":
        return _with(text, Guidance(seed=next(seeds)), options)
    if kind == "samples" and options:
        drawing = Guidance(gamma=0.0, horizon_lines=0, seed=next(seeds))
        samples = _with(text, drawing, [f"s={options[0]}", *options[1:]])
        if not samples.candidates:
            raise UsageError(f"agent {text!r}: there is nothing to draw", hint=_EXAMPLE)
        return samples
    raise UsageError(f"agent {text!r}: not greedy, guided or samples:N", hint=_EXAMPLE)


def _with(text: str, agent: Guidance, options: list[str]) -> Guidance:
    """``agent`` with what the options change."""
    changes: dict[str, Any] = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals or key not in _KEYS:
            raise UsageError(
                f"agent {text!r}: {option!r} is no option",
                hint=f"known are {', '.join(f'{name}=' for name in _KEYS)}",
            )
        name, read = _KEYS[key]
        try:
            changes[name] = read(value)
        except ValueError as error:
            raise UsageError(f"agent {text!r}: {option!r}: {error}", hint=_EXAMPLE) from error
    return replace(agent, **changes)


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"not between {low:g} and {high:g}")
        return number

    return read


def _count(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"not between {low} and {high}")
        return number

    return read


def _word(field: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        words = get_args(get_type_hints(Guidance)[field])
        if value not in words:
            raise ValueError(f"not one of {', '.join(words)}")
        return value

    return read


_KEYS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "gamma": ("gamma", _number(0, 100)),
    "s": ("candidates", _count(0, _MOST_CANDIDATES)),
    "d": ("horizon_lines", _count(0, 200)),
    "t": ("temperature", _number(0, 5)),
    "top_p": ("top_p", _number(0.01, 1)),
    "style": ("style", _word("style")),
    "method": ("method", _word("method")),
    "trace": ("trace", _word("trace")),
    "tell": ("tell", _word("tell")),
    "signal": ("signal_tokens", _count(0, 100_000)),
    "seed": ("seed", _count(0, 2**31 - 1)),
}
