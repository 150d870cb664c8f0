"""A fake GitHub for tests: a real HTTP server over real bare git repositories.

It does not know egbot; any client of GitHub's REST API (and of the one GraphQL mutation that
commits to a branch) can talk to it. An example::

    from tests.github.server import FakeGitHub


    def test_a_comment(tmp_path):
        with FakeGitHub(tmp_path) as github:  # skips where npm's packages are missing
            shop = github.repository("octo/shop")  # octo is its owner (admin)
            shop.push("main", {"shop.py": "def price(): ...\\n"})
            shop.push("tests", {"test_shop.py": "..."}, start="main")
            pull = shop.open_pull("tests", "main", author="alice")
            token = github.token("secret", issues="write", pull_requests="write")
            client = github.client(token)  # PyGithub, no throttling, no retries
            client.get_repo("octo/shop").get_pull(pull.number).create_issue_comment("Hello")
            assert [c.body for c in pull.issue.comments] == ["Hello"]
            assert github.log[-1].used == "issues=write"

Leaving the ``with`` block fails the test when a request or an answer did not fit GitHub's own
OpenAPI description or GraphQL schema (``github.violations``; ``take_violations()`` empties the
list for a test that provokes them). ``github.faults.at(3, "reset_after", mutating=True)`` breaks
the third mutating request from now on; ``faults.KINDS`` lists the ways.
Base addresses: ``github.url`` (``http://127.0.0.1:PORT/api/v3``, as GitHub Enterprise has it) and
``github.root_url`` (as api.github.com has it); GraphQL is found from either.
"""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import github as pygithub
import github.Auth

from tests.github import graphql
from tests.github.exchange import Site
from tests.github.faults import Faults
from tests.github.nouns import Access, Pull, User
from tests.github.repository import Repository
from tests.github.schemas import Description, description
from tests.github.serving import PREFIX, Entry
from tests.github.wire import Server
from tests.github.world import ACTIONS_BOT, World


class FakeGitHub:
    """The server and its world.

    ``hourly_limit`` is the requests that a workflow's token has in an hour, ``content_per_minute``
    the POST requests before the secondary limit answers (docs.github.com, "Rate limits for the
    REST API").
    """

    def __init__(self, folder: Path) -> None:
        self.description: Description = description()
        graphql.schema()  # loaded here, lest the first request outlast a short time-out
        self.world = World(folder / "github")
        self.faults = Faults()
        self.log: list[Entry] = []
        self.violations: list[str] = []
        self.hourly_limit = 1000
        self.content_per_minute = 80
        self.num_used: dict[str, int] = {}
        self.created_at: list[float] = []
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._server = Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    @property
    def root_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return self.root_url + PREFIX

    @property
    def site(self) -> Site:
        """The addresses as clients of ``url`` see them, for event payloads."""
        return Site(self.url, self.root_url, self.description)

    def repository(self, full_name: str, *, private: bool = False) -> Repository:
        return self.world.repository(full_name, private=private)

    def user(self, login: str) -> User:
        return self.world.user(login)

    def token(
        self,
        secret: str,
        *,
        actor: str = ACTIONS_BOT,
        repositories: tuple[str, ...] | None = None,
        **permissions: Access,
    ) -> str:
        return self.world.token(secret, actor=actor, repositories=repositories, **permissions)

    def token_of_run(self, secret: str, pull: Pull, **permissions: Access) -> str:
        return self.world.token_of_run(secret, pull, **permissions)

    def client(self, token: str, *, timeout_s: int = 60, root: bool = False) -> pygithub.Github:
        """PyGithub as it comes, without its own throttling and retries."""
        return pygithub.Github(
            auth=github.Auth.Token(token),
            base_url=self.root_url if root else self.url,
            timeout=timeout_s,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )

    def take_violations(self) -> list[str]:
        """What did not fit the descriptions so far; the list is empty afterwards."""
        taken = list(self.violations)
        self.violations.clear()
        return taken

    def mutations(self) -> list[Entry]:
        return [entry for entry in self.log if entry.mutating]

    def permissions_used(self) -> set[str]:
        return {entry.used for entry in self.log if entry.used}

    def stop(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def close(self) -> None:
        """Stop; raises AssertionError when anything did not fit GitHub's descriptions."""
        self.stop()
        assert not self.violations, "\n".join(self.violations)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.stop()
            if error is not None and self.violations:
                error.add_note("\n".join(["the fake GitHub noticed:", *self.violations]))
