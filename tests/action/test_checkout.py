"""Fetching the one commit, from a bare repository over git's own protocol."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.action.checkout import Origin, fetch
from egbot.errors import ForgeError, HeadMovedError
from egbot.records import Trigger
from tests.github.repository import Repository
from tests.github.world import World

TOKEN = "canary-3f1c"


@pytest.fixture
def shop(tmp_path: Path) -> Repository:
    repository = World(tmp_path / "server").repository("octo/shop")
    repository.push("main", {"shop.py": "def price(): ...\n"})
    return repository


def origin(shop: Repository) -> Origin:
    return Origin(f"file://{shop.world.folder}", shop.full_name, TOKEN)


def trigger(number: int | None = None, head_sha: str = "") -> Trigger:
    begun = Trigger("issue_comment", "manual", "octo/shop", "ann")
    if number is None:
        return begun
    return replace(begun, kind="pull_request", number=number, head_sha=head_sha)


def test_a_branch_s_tip_is_fetched(shop: Repository, tmp_path: Path) -> None:
    sha = fetch(origin(shop), trigger(), "main", tmp_path / "a" / "code")
    assert sha == shop.head("main")
    assert (tmp_path / "a" / "code" / "shop.py").read_text() == "def price(): ...\n"


def test_a_fork_s_head_is_fetched_by_its_number(shop: Repository, tmp_path: Path) -> None:
    """A fork's branch may have the name of a branch here; the number cannot be mistaken."""
    fork = shop.fork("eve/shop")
    head = fork.push("main", {"test_shop.py": "x = 1\n"})
    pull = shop.open_pull("main", fork=fork, author="eve")
    assert fetch(origin(shop), trigger(pull.number, head), "", tmp_path / "code") == head
    assert (tmp_path / "code" / "test_shop.py").exists()


def test_a_head_that_moved_is_not_taken(shop: Repository, tmp_path: Path) -> None:
    old = shop.push("work", {"a.py": "1\n"})
    pull = shop.open_pull("work")
    shop.push("work", {"a.py": "2\n"})
    with pytest.raises(HeadMovedError, match=old[:12]):
        fetch(origin(shop), trigger(pull.number, old), "", tmp_path / "code")


def test_what_is_not_there_is_told_without_the_token(shop: Repository, tmp_path: Path) -> None:
    with pytest.raises(ForgeError, match="git fetch of octo/shop failed") as caught:
        fetch(origin(shop), trigger(99), "", tmp_path / "code")
    assert TOKEN not in caught.value.message


def test_neither_token_nor_address_stays_in_the_checkout(shop: Repository, tmp_path: Path) -> None:
    fetch(origin(shop), trigger(), "main", tmp_path / "code")
    assert TOKEN not in repr(origin(shop))
    config = (tmp_path / "code" / ".git" / "config").read_text()
    assert "remote" not in config
    assert TOKEN not in config


def test_the_token_goes_by_the_environment_and_not_the_command_line(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody on the machine can read command lines."""
    seen = tmp_path / "seen"
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >>{seen}\nexec {real.strip()} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    fetch(origin(shop), trigger(), "main", tmp_path / "code")
    assert "fetch" in seen.read_text()
    assert TOKEN not in seen.read_text()


def test_the_repository_s_own_git_settings_take_no_effect(
    shop: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters are named by a repository and defined by the user's settings: those are not read."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[filter "evil"]\n\tsmudge = touch {tmp_path}/run; cat\n')
    monkeypatch.setenv("HOME", str(home))
    shop.push("main", {".gitattributes": "*.py filter=evil\n", "a.py": "1\n"})
    fetch(origin(shop), trigger(), "main", tmp_path / "code")
    assert (tmp_path / "code" / "a.py").exists()
    assert not (tmp_path / "run").exists()
