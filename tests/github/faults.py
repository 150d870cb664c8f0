"""Faults on demand: which request fails, and how.

It does not know sockets; the server asks it once for every request.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal[
    "500",  # refused, nothing done
    "502",  # refused, nothing done, an HTML body as proxies send it
    "timeout",  # no answer within the client's limit, nothing done
    "timeout_after",  # the work is done, the answer comes too late
    "reset_before",  # connection reset, nothing done
    "reset_after",  # the work is done, then the connection is reset: the answer is lost
    "403_secondary",  # secondary rate limit with retry-after
    "403_primary",  # hourly limit used up, with x-ratelimit-reset
    "429",  # too many requests with retry-after
    "422",  # refused as invalid
    "stale_head",  # somebody pushes just before the request is served
    "deleted_branch",  # somebody deletes the branch just before
    "closed_pull",  # somebody closes the pull request just before
]
KINDS: tuple[Kind, ...] = get_args(Kind)
MUTATING = frozenset({"POST", "PATCH", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Rule:
    """``count`` numbers requests from 1, all of them or only the mutating ones."""

    kind: Kind
    count: int | None
    mutating: bool
    operation: str
    times: int | None


@dataclass(slots=True)
class Faults:
    """``retry_after_s`` goes into the header of limits, ``hang_s`` is how long a time-out hangs."""

    retry_after_s: int = 1
    hang_s: float = 5.0
    rules: list[Rule] = field(default_factory=list)
    num_requests: int = 0
    num_mutating: int = 0

    def at(self, number: int, kind: Kind, *, mutating: bool = False) -> None:
        """Fail the ``number``-th request (or mutating request) from now, counted from 1."""
        start = self.num_mutating if mutating else self.num_requests
        self.rules.append(Rule(kind, start + number, mutating, "*", 1))

    def on(self, operation: str, kind: Kind, *, times: int | None = 1) -> None:
        """Fail requests by operation: "POST /repos/*/issues/*/comments"; times None is for ever."""
        self.rules.append(Rule(kind, None, False, operation, times))

    def clear(self) -> None:
        self.rules.clear()

    def take(self, method: str, path: str) -> Kind | None:
        """Count one request and say how it fails; a rule is used up by it."""
        mutating = method in MUTATING
        self.num_requests += 1
        self.num_mutating += mutating
        for index, rule in enumerate(self.rules):
            if self._meets(rule, mutating, f"{method} {path}"):
                if rule.times is not None:
                    left = Rule(
                        rule.kind, rule.count, rule.mutating, rule.operation, rule.times - 1
                    )
                    self.rules[index : index + 1] = [left] if left.times else []
                return rule.kind
        return None

    def _meets(self, rule: Rule, mutating: bool, operation: str) -> bool:
        if rule.count is None:
            return fnmatch.fnmatchcase(operation, rule.operation)
        if rule.mutating:
            return mutating and rule.count == self.num_mutating
        return rule.count == self.num_requests
