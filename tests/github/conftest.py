"""The server and one small scene for its own tests. It does not know egbot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import github as pygithub
import pytest
from github.PullRequest import PullRequest
from github.Repository import Repository as RemoteRepository

from tests.github.nouns import Pull
from tests.github.repository import Repository
from tests.github.server import FakeGitHub

MODULE = "".join(f"VALUE_{i} = {i}\n" for i in range(1, 41))


@dataclass(frozen=True, slots=True)
class Scene:
    """octo/shop with one pull request that changes lines 5 and 30 of shop.py and adds a test."""

    fake: FakeGitHub
    shop: Repository
    pull: Pull

    def client(self, secret: str = "all") -> pygithub.Github:
        return self.fake.client(secret)

    def remote(self, secret: str = "all") -> RemoteRepository:
        return self.client(secret).get_repo("octo/shop")

    def remote_pull(self, secret: str = "all") -> PullRequest:
        return self.remote(secret).get_pull(self.pull.number)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGitHub]:
    with FakeGitHub(tmp_path) as fake:
        yield fake


@pytest.fixture
def scene(fake: FakeGitHub) -> Scene:
    shop = fake.repository("octo/shop")
    shop.push("main", {"shop.py": MODULE})
    changed = MODULE.replace("VALUE_5 = 5", "VALUE_5 = 55").replace("VALUE_30 = 30\n", "")
    shop.push("work", {"shop.py": changed, "test_shop.py": "import shop\n"}, start="main")
    pull = shop.open_pull("work", author="alice")
    fake.token(
        "all",
        actions="read",
        checks="write",
        contents="write",
        issues="write",
        pull_requests="write",
    )
    return Scene(fake, shop, pull)
