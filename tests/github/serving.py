"""One request from its bytes to its answer: faults, token, operation, rules, both descriptions.

It does not know sockets, nor what the operations do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.github import graphql, rules, trouble
from tests.github.exchange import Answer, ApiError, Call, Route, Site
from tests.github.faults import MUTATING, Kind
from tests.github.gitstore import GitFailedError
from tests.github.nouns import Token
from tests.github.repository import Repository

if TYPE_CHECKING:
    from tests.github.server import FakeGitHub

PREFIX = "/api/v3"
_GRAPHQL = ("/graphql", "/api/graphql")
_WINDOW_S = 3600
_MINUTE_S = 60
# Shorter ones ("all") are words that a text may hold.
_MIN_SECRET = 12


@dataclass(slots=True)
class Entry:
    """One request as the server saw it.

    ``accepted`` are the permissions of which any is enough, ``used`` the one that let it through.
    """

    number: int
    method: str
    path: str
    operation: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    actor: str = ""
    accepted: tuple[str, ...] = ()
    used: str = ""
    status: int = 0
    fault: Kind | None = None

    @property
    def mutating(self) -> bool:
        return self.method in MUTATING


class ResetNow(Exception):  # noqa: N818  (no error: an order to the handler)
    """Drop the connection without an answer."""


class Exchange:
    """One request on its way through the server."""

    def __init__(
        self,
        fake: FakeGitHub,
        method: str,
        path: str,
        prefix: str,
        raw: bytes,
        headers: dict[str, str],
    ) -> None:
        self.fake, self.method, self.path, self.raw = fake, method, path, raw
        self.headers = {name.title(): value for name, value in headers.items()}
        self.query: dict[str, str] = {}
        self.site = Site(fake.root_url + prefix, fake.root_url, fake.description)

    def run(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body; raises ResetNow when there is to be no answer."""
        fake = self.fake
        with fake.lock:
            entry = Entry(len(fake.log) + 1, self.method, self.path, query=self.query)
            fake.log.append(entry)
            entry.body = self._body(entry)
            self._find_secrets(entry)
            entry.fault = fake.faults.take(self.method, self.path)
            refused = trouble.before(fake.world, fake.faults, entry.fault, self._aim(entry))
        if entry.fault in ("timeout", "reset_before"):
            self._vanish(entry)
        if refused is not None:
            entry.status = refused[0]
            return refused[0], {**self._limits(entry), **refused[1]}, refused[2]
        with fake.lock:
            answer = self._answered(entry)
        entry.status = answer.status
        if entry.fault in ("timeout_after", "reset_after"):
            self._vanish(entry)
        data = b"" if answer.data is None else json.dumps(answer.data).encode()
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return answer.status, {**kind, **self._limits(entry), **answer.headers}, data

    def _vanish(self, entry: Entry) -> None:
        if entry.fault is not None and entry.fault.startswith("timeout"):
            self.fake.closing.wait(self.fake.faults.hang_s)
        raise ResetNow

    def _body(self, entry: Entry) -> Any:
        try:
            return json.loads(self.raw) if self.raw else None
        except ValueError:
            self._violation(entry, ["the body is not JSON"])
            return None

    def _find_secrets(self, entry: Entry) -> None:
        """A token belongs into the header, never into an address or a text."""
        shown = self.path.encode() + self.raw
        secrets = [each for each in self.fake.world.tokens if len(each) >= _MIN_SECRET]
        if any(each.encode() in shown for each in secrets):
            self._violation(entry, ["a token is in the address or the body"])

    def _aim(self, entry: Entry) -> trouble.Aim:
        named = graphql.named_branch(entry.body)
        if named is not None:
            return trouble.Aim(named[0], named[1], None)
        words = self.path.split("/")
        number = words[5] if len(words) > 5 and words[5].isdigit() else None
        name = "/".join(words[2:4])
        is_ref = len(words) > 7 and words[4:7] == ["git", "refs", "heads"]
        return trouble.Aim(name, "/".join(words[7:]) if is_ref else None, number)

    def _answered(self, entry: Entry) -> Answer:
        try:
            token = rules.token_of(self.fake.world, self.headers)
            entry.actor = token.actor.login
            self._count(token)
            self.fake.world.refresh()
            if self.method == "POST" and self.path in _GRAPHQL:
                return self._graphql(entry, token)
            return self._rest(entry, token)
        except ApiError as error:
            return Answer(error.status, error.data(), error.headers)

    def _count(self, token: Token) -> None:
        used = self.fake.num_used
        if used.get(token.secret, 0) >= self.fake.hourly_limit:
            raise ApiError(403, "API rate limit exceeded for installation ID 1.")
        used[token.secret] = used.get(token.secret, 0) + 1
        if self.method == "POST":
            now = time.monotonic()
            recent = [at for at in self.fake.created_at if now - at < _MINUTE_S]
            self.fake.created_at = recent
            if len(recent) >= self.fake.content_per_minute:
                wait = {"Retry-After": str(int(_MINUTE_S - (now - recent[0])) + 1)}
                raise ApiError(403, trouble.SECONDARY, headers=wait)
            recent.append(now)

    def _limits(self, entry: Entry) -> dict[str, str]:
        used = self.fake.num_used.get(self.headers.get("Authorization", "").partition(" ")[2], 0)
        return {
            "X-RateLimit-Limit": str(self.fake.hourly_limit),
            "X-RateLimit-Remaining": str(max(0, self.fake.hourly_limit - used)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(int(time.time()) + _WINDOW_S),
            "X-RateLimit-Resource": "graphql" if entry.path in _GRAPHQL else "core",
            "X-GitHub-Request-Id": f"FAKE:{entry.number}",
        }

    def _graphql(self, entry: Entry, token: Token) -> Answer:
        entry.operation = "POST /graphql"
        entry.accepted = ("contents=write",) if graphql.commits(entry.body) else ()
        root = graphql.Root(self.fake.world, token, self.site.home)
        data, faults = graphql.answer(root, entry.body)
        if graphql.commits(entry.body) and not data.get("errors"):
            entry.used = "contents=write"
        self._violation(entry, faults)
        return Answer(200, data)

    def _rest(self, entry: Entry, token: Token) -> Answer:
        found = rules.route_of(self.method, self.path)
        if found is None:
            self._violation(entry, ["the fake does not serve this"])
            raise ApiError(404, "Not Found")
        route, params = found
        entry.operation = f"{self.method} {route.template}"
        entry.accepted = route.accepted
        described = self.fake.description
        faults = described.request_faults(self.method, route.template, self.query, entry.body)
        self._violation(entry, faults)
        try:
            home = rules.repository_of(self.fake.world, token, params)
            entry.used = rules.permit(route, token, home, params)
            answer = self._handled(
                entry, route, home, token, {**params, "_path": self.path}, faults
            )
            answer.headers.setdefault(rules.ACCEPTED, "; ".join(route.accepted))
        except ApiError as error:
            answer = Answer(error.status, error.data(), error.headers)
        self._violation(
            entry,
            described.answer_faults(self.method, route.template, answer.status, answer.data),
        )
        return answer

    def _handled(
        self,
        entry: Entry,
        route: Route,
        home: Repository,
        token: Token,
        params: dict[str, str],
        faults: list[str],
    ) -> Answer:
        call = Call(self.fake.world, self.site, token, home, params, self.query, entry.body)
        try:
            return route.handler(call)
        except GitFailedError as error:
            if route.method not in MUTATING:
                raise
            raise ApiError(422, f"Validation Failed: {error}") from None
        except (KeyError, TypeError, AttributeError, ValueError):
            if not faults:
                raise
            # The request did not fit its description, so the handler could not read it.
            raise ApiError(422, f"Invalid request.\n\n{faults[0]}") from None

    def _violation(self, entry: Entry, faults: Iterable[str]) -> None:
        name = f"request {entry.number}, {self.method} {self.path}"
        self.fake.violations.extend(f"{name}: {fault}" for fault in faults)
