"""Everything the fake GitHub holds: users, tokens, repositories, and a clock of its own.

It does not know HTTP; the server shows it and changes it.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.github.gitstore import BareRepository
from tests.github.nouns import SCOPES, Access, Pull, Token, User
from tests.github.repository import Repository

ACTIONS_BOT = "github-actions[bot]"
_START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass(slots=True)
class World:
    """Time moves by one second with every thing that happens, so that order shows in it."""

    folder: Path
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    repositories: dict[str, Repository] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))
    _seconds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_id(self) -> int:
        return next(self._ids)

    def tick(self) -> str:
        moment = _START + datetime.timedelta(seconds=next(self._seconds))
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def user(self, login: str) -> User:
        if login not in self.users:
            self.users[login] = User(login, 41898282 if login == ACTIONS_BOT else self.new_id())
        return self.users[login]

    def repository(
        self, full_name: str, *, private: bool = False, parent: Repository | None = None
    ) -> Repository:
        """The repository of that name, created (empty, owner with admin rights) when it is new."""
        if full_name not in self.repositories:
            store = BareRepository.create(self.folder / f"{full_name}.git")
            made = Repository(self, self.new_id(), full_name, store, private, parent=parent)
            made.grant(made.owner, "admin")
            self.repositories[full_name] = made
        return self.repositories[full_name]

    def token(
        self,
        secret: str,
        *,
        actor: str = ACTIONS_BOT,
        repositories: tuple[str, ...] | None = None,
        **permissions: Access,
    ) -> str:
        """Register a token: every permission that is not named is none, but metadata (read)."""
        unknown = set(permissions) - set(SCOPES)
        assert not unknown, f"no such permission: {sorted(unknown)}"
        held: dict[str, Access] = {"metadata": "read", **permissions}
        seen = None if repositories is None else frozenset(repositories)
        self.tokens[secret] = Token(secret, self.user(actor), held, seen)
        return secret

    def token_of_run(self, secret: str, pull: Pull, **permissions: Access) -> str:
        """The token that a ``pull_request`` workflow gets: read-only when it comes from a fork."""
        home = next(r for r in self.repositories.values() if pull in r.pulls.values())
        if pull.head_repository is not home:
            permissions = {
                scope: "read" if held == "write" else held for scope, held in permissions.items()
            }
        return self.token(secret, repositories=(home.full_name,), **permissions)

    def refresh(self) -> None:
        for repository in self.repositories.values():
            repository.refresh()
