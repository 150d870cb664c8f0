"""Owns single requests to GitHub: time-outs, retries, rate limits, pages, and what an error says.

It does not know what the requests mean. The token stays inside PyGithub: no message, no repr and no
log of ours holds it.

How failures are told apart: connection errors, time-outs and 5xx pass (the request may have been
carried out); 429, and 403 with the signs of a rate limit, pass after the time that the headers name
(the request was not carried out); everything else is GitHub's last word.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urlsplit

import github
import requests
import tenacity

from egbot.errors import ForgeError
from egbot.forge import RefusedError
from egbot.report.text import one_line

T = TypeVar("T")
Json = dict[str, object]

_LEAST_WAIT_S = 60.0  # GitHub: without any header, wait at least a minute, then longer each time
_PAGE_SIZE = 100
_MAX_PAGES = 100
_CHUNK_BYTES = 64 * 1024
_LATER = "run `egbot publish` again with the same run.json: what is posted already is found again"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for what. ``now`` is Unix time; ``pause_s`` stands between two writes.

    The default pause keeps below GitHub's 80 content-creating requests a minute.
    """

    timeout_s: int = 20
    num_attempts: int = 5
    max_wait_s: float = 900.0
    first_wait_s: float = 1.0
    pause_s: float = 1.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    now: Callable[[], float] = field(default=time.time, repr=False)


class _PassingError(Exception):
    """A failure that may be gone the next time. ``wait_s`` is what the headers ask for.

    ``is_done`` is None where nobody can know if the request was carried out, else False.
    """

    def __init__(self, told: str, *, wait_s: float | None = None, limited: bool = False) -> None:
        super().__init__(told)
        self.told = told
        self.wait_s = wait_s
        self.limited = limited


class Api:
    """One token's view of one GitHub."""

    def __init__(self, token: str, base_url: str, patience: Patience) -> None:
        self.patience = patience
        self._client = github.Github(
            auth=github.Auth.Token(token),
            base_url=base_url.rstrip("/"),
            timeout=patience.timeout_s,
            retry=None,
            user_agent="egbot",
            per_page=_PAGE_SIZE,
            seconds_between_requests=0,
            seconds_between_writes=patience.pause_s,
        )

    def get(self, path: str, query: Mapping[str, object] | None = None) -> object:
        """One GET's answer. Raises ForgeError."""
        return self.attempt(lambda: self.send("GET", path, query=query)[1])

    def pages(self, path: str, query: Mapping[str, object], key: str = "") -> Iterator[Json]:
        """The items of a list, page by page; ``key`` names the list inside an object."""
        for page in range(1, _MAX_PAGES + 1):
            told = {**query, "per_page": _PAGE_SIZE, "page": page}
            headers, data = self.attempt(lambda told=told: self.send("GET", path, query=told))  # type: ignore[misc]
            items = data.get(key) if key and isinstance(data, dict) else data
            if not isinstance(items, list):
                raise ForgeError(f"GitHub's answer to GET {path} is no list.", hint=_LATER)
            yield from (item for item in items if isinstance(item, dict))
            if 'rel="next"' not in headers.get("link", ""):
                return

    def attempt(self, do: Callable[[], T], look: Callable[[], T | None] | None = None) -> T:
        """``do()``, repeated while it fails in passing.

        After a failure that leaves open whether the request was carried out, ``look()`` says what
        there is by now; None means that there is nothing and ``do`` comes again. Raises ForgeError.
        """
        is_open = False

        def once() -> T:
            nonlocal is_open
            if is_open and look is not None:
                found = look()
                if found is not None:
                    return found
            try:
                return do()
            except _PassingError as error:
                is_open = is_open or not error.limited
                raise

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PassingError),
            stop=tenacity.stop_after_attempt(self.patience.num_attempts),
            wait=self._wait_s,
            sleep=self.patience.sleep,
            reraise=True,
        )
        try:
            return retrying(once)
        except _PassingError as error:
            found = look() if is_open and look is not None else None
            if found is not None:
                return found
            told = f"{error.told} This was tried {self.patience.num_attempts} times."
            raise ForgeError(told, hint=_LATER) from None

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        """Seconds until the next attempt. Raises ForgeError where that is too long to wait."""
        error = state.outcome.exception() if state.outcome is not None else None
        again = state.attempt_number - 1
        if not isinstance(error, _PassingError) or not error.limited:
            return float(self.patience.first_wait_s * 2**again)
        wait_s = error.wait_s if error.wait_s is not None else _LEAST_WAIT_S * 2**again
        if wait_s > self.patience.max_wait_s:
            raise ForgeError(
                f"{error.told} It wants {wait_s:.0f} s of rest, more than egbot waits "
                f"({self.patience.max_wait_s:.0f} s).",
                hint=_LATER,
            )
        return max(wait_s, 0.0)

    def send(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> tuple[Mapping[str, str], object]:
        """One request, once: the answer's headers (lower case) and JSON.

        Raises RefusedError for GitHub's last word and an internal error for what may pass, so that
        it must be called within ``attempt``.
        """
        what = f"{verb} {path}"
        try:
            headers, data = self._client.requester.requestJsonAndCheck(
                verb, path, parameters=dict(query or {}), input=dict(body) if body else None
            )
        except github.GithubException as error:
            raise self._judged(error, what) from None
        except (requests.exceptions.RequestException, OSError) as error:
            kind = type(error).__name__
            raise _PassingError(f"GitHub could not be reached for {what} ({kind}).") from None
        except (ValueError, RuntimeError, AssertionError) as error:
            raise ForgeError(
                f"GitHub's answer to {what} cannot be read: {type(error).__name__}.",
                hint="check the API address (GITHUB_API_URL)",
            ) from None
        return {str(key).lower(): str(value) for key, value in headers.items()}, data

    def graphql(self, query: str, variables: Mapping[str, object], what: str) -> Json:
        """The ``data`` of a GraphQL answer. Raises as ``send``; RefusedError's message holds the type."""
        body = {"query": query, "variables": dict(variables)}
        headers, answer = self.send("POST", self._client.requester.graphql_url, body=body)
        answer = answer if isinstance(answer, dict) else {}
        errors = answer.get("errors")
        if isinstance(errors, list) and errors:
            raise self._graphql_error(errors[0], headers, what)
        data = answer.get("data")
        if not isinstance(data, dict):
            raise ForgeError(f"GitHub's answer to {what} holds no data.", hint=_LATER)
        return data

    def _graphql_error(self, error: object, headers: Mapping[str, str], what: str) -> Exception:
        error = error if isinstance(error, dict) else {}
        kind, told = str(error.get("type", "")), one_line(str(error.get("message", "")), 300)
        message = f"GitHub refused {what}: {kind} {told}"
        if kind == "RATE_LIMITED":
            return _PassingError(message, wait_s=self._asked_wait_s(headers), limited=True)
        if not kind:  # "Something went wrong while executing your query"
            return _PassingError(message)
        status = {"NOT_FOUND": 404, "FORBIDDEN": 403, "INSUFFICIENT_SCOPES": 403}.get(kind, 422)
        hint = _permission_hint(headers, "contents=write") if status == 403 else ""
        return RefusedError(message, hint=hint, status=status)

    def _judged(self, error: github.GithubException, what: str) -> Exception:
        """What an error status means."""
        headers = {str(k).lower(): str(v) for k, v in (error.headers or {}).items()}
        said = _said(error.data)
        message = f"GitHub answered {error.status} to {what}: {said}"
        if error.status >= 500:
            return _PassingError(message)
        if error.status == 429 or (error.status == 403 and _is_limit(headers, said)):
            return _PassingError(message, wait_s=self._asked_wait_s(headers), limited=True)
        if error.status == 401:
            hint = "the token is not valid (any more); give another one in GITHUB_TOKEN"
        elif error.status == 403:
            hint = _permission_hint(headers, "")
        elif error.status == 404:
            hint = "check the name; a token without access gets this answer as well"
        else:
            hint = ""
        return RefusedError(message, hint=hint, status=error.status)

    def _asked_wait_s(self, headers: Mapping[str, str]) -> float | None:
        """``retry-after``, else the time until ``x-ratelimit-reset``, else None."""
        after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
        if after.strip().isdigit():
            return float(after)
        if headers.get("x-ratelimit-remaining") == "0" and reset.strip().isdigit():
            return max(float(reset) - self.patience.now(), 0.0) + 1.0
        return None

    def download(self, path: str, max_bytes: int) -> bytes:
        """What a redirecting address leads to, fetched without the token. Raises ForgeError."""
        return self.attempt(lambda: self._fetched(path, max_bytes))

    def _fetched(self, path: str, max_bytes: int) -> bytes:
        try:
            status, headers, _ = self._client.requester.requestJson("GET", path)
            if status >= 400:
                self._client.requester.requestJsonAndCheck("GET", path)
            address = str(headers.get("location", ""))
            if urlsplit(address).scheme not in ("https", "http"):
                raise ForgeError(f"GitHub's answer to GET {path} leads nowhere.", hint=_LATER)
            held = bytearray()
            with requests.get(address, stream=True, timeout=self.patience.timeout_s) as answer:
                answer.raise_for_status()
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    held += chunk
                    if len(held) > max_bytes:
                        raise ForgeError(f"GET {path} is longer than {max_bytes:,} bytes.")
        except github.GithubException as error:
            raise self._judged(error, f"GET {path}") from None
        except (requests.exceptions.RequestException, OSError) as error:
            kind = type(error).__name__
            raise _PassingError(f"GET {path} could not be fetched ({kind}).") from None
        return bytes(held)


def _is_limit(headers: Mapping[str, str], said: str) -> bool:
    if "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return "rate limit" in said.lower() or "abuse" in said.lower()


def _said(data: object) -> str:
    """GitHub's own words on an error, on one line."""
    if not isinstance(data, dict):
        return "(no message)"
    told = [str(data.get("message", data.get("data", "")))]
    errors = data.get("errors")
    listed = errors[:5] if isinstance(errors, list) else []
    told += [
        str(one.get("message") or one.get("code") or "") if isinstance(one, dict) else str(one)
        for one in listed
    ]
    return one_line("; ".join(text for text in told if text) or "(no message)", 400)


def _permission_hint(headers: Mapping[str, str], default: str) -> str:
    """Which line is missing in the workflow, from ``X-Accepted-GitHub-Permissions``."""
    wanted = headers.get("x-accepted-github-permissions", "") or default
    if not wanted:
        return "check what the token may do"
    options = [
        " and ".join(
            f"`{one.strip().replace('_', '-').replace('=', ': ')}`" for one in way.split(",")
        )
        for way in wanted.split(";")
    ]
    return f"add {' or '.join(options)} to the job's `permissions:`"
