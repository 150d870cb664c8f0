"""Owns what the speed measurement decodes: a prompt, and signals of a given length for its lines.

It knows the shape of real ones and nothing of how they are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from egbot.prompt import make_prompt
from egbot.records import Prompt

_NAME = "running_totals"
_OPENING = '''\
def running_totals(rows, limit):
    """Group rows (name, amount) by name; stop a group's total at limit; largest total first.

    Return a list of (name, total) pairs. Rows with a negative amount are left out.
    """
'''
_TESTS = """\
from ledger import running_totals


def test_totals():
    rows = [("a", 3), ("b", 5), ("a", 4), ("c", -2), ("b", 1)]
    assert running_totals(rows, 100) == [("a", 7), ("b", 6)]


def test_limit():
    assert running_totals([("a", 3), ("a", 4)], 5) == [("a", 5)]


def test_empty():
    assert running_totals([], 5) == []
"""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is decoded. Lengths are in tokens; ``prompt_tokens`` is the conditioned prompt's.

    A line is ``line_tokens`` tokens, so that every model writes lines of the same length.
    """

    prompt_tokens: int = 1500
    line_tokens: int = 12
    num_lines: int = 8
    num_naive_lines: int = 2
    num_candidates: int = 3
    horizon_lines: int = 2
    temperature: float = 0.8
    gamma: float = 1.0
    seed: int = 0

    @property
    def sample_tokens(self) -> int:
        """How long a candidate is."""
        return self.horizon_lines * self.line_tokens


def never(text: str) -> bool:  # noqa: ARG001 - a stop rule
    """A stop rule that is never satisfied: lines end by their number of tokens."""
    return False


def make_speed_prompt() -> Prompt:
    """A function of medium size with three tests."""
    return make_prompt(
        name=_NAME, opening=_OPENING, body_indent="    ", tests=_TESTS, context="", style="plain"
    )


def make_signal(
    candidates: Sequence[str], num_tokens: int, count_tokens: Callable[[str], int]
) -> str:
    """A signal of at most ``num_tokens`` tokens, and at least half of it: attempts with traces.

    The traces are invented; what the model reads has the length and the look of real ones.
    """
    lines = ["", "These attempts were run against the tests. Learn from what happened:"]
    for number, candidate in enumerate(candidates, 1):
        lines += [f"Attempt {number}:", "```python", _OPENING.rstrip() + candidate, "```"]
    size = count_tokens("\n".join(lines))
    for number in count():
        step = f"  total = total + {number * 7 % 50}  # total = {number * 31 % 997}, name = 'a'"
        size += count_tokens("\n" + step)
        if size >= num_tokens:
            break
        lines.append(step)
    return "\n".join(lines) + "\n"
