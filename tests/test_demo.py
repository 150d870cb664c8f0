"""The demo's repository: laid out fresh, committed, never over something that is not a demo."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import egbot
from egbot.demo import lay_out
from egbot.errors import SpaceError, SurroundingsError, UsageError
from egbot.repository import open_repository, snapshot


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_copy_is_a_clean_repository_with_one_commit(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "out" / "demo")
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "rev-list", "--count", "HEAD") == "1\n"
    assert "toolbox/shop.py" in snapshot(open_repository(folder))
    assert not list(folder.rglob("__pycache__"))


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    folder = lay_out(tmp_path / "demo")
    (folder / "toolbox" / "shop.py").write_text("x = 1\n")
    (folder / "more.py").write_text("x = 1\n")
    lay_out(folder)
    assert git(folder, "status", "--porcelain") == ""
    assert not (folder / "more.py").exists()


@pytest.mark.parametrize("with_git", [False, True])
def test_what_is_no_demo_is_never_removed(tmp_path: Path, with_git: bool) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    if with_git:
        git(tmp_path, "init", "--quiet")
    with pytest.raises(UsageError, match="not a demo"):
        lay_out(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((SpaceError, UsageError)):
        lay_out(tmp_path / "file" / "demo")


def test_a_missing_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SurroundingsError, match="git"):
        lay_out(tmp_path / "demo")


def test_a_person_s_git_settings_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signing, templates and a missing identity are the usual ways in which a demo breaks."""
    (tmp_path / ".gitconfig").write_text(
        "[commit]\n\tgpgsign = true\n[user]\n\tuseConfigOnly = true\n[core]\n\tautocrlf = true\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_AUTHOR_EMAIL", raising=False)
    folder = lay_out(tmp_path / "demo")
    assert git(folder, "rev-list", "--count", "HEAD") == "1\n"


def test_six_functions_are_missing_and_the_rest_passes(tmp_path: Path) -> None:
    """What the demo says of itself: README's table and the tests agree."""
    source = Path(egbot.__file__).parent / "demo_repository"
    folder = tmp_path / "demo"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    rows = [line for line in (folder / "README.md").read_text().split("\n") if "| `" in line]
    assert len(rows) == 6
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_shop.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "1 passed" in done.stdout
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text(), str(path))
