"""Whatever a run leaves in the sandbox's folders is gone before the next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.tree import LostFolderError, Tree, remove


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "kept" / "deep").mkdir(parents=True)
    (work / "kept" / "file").write_text("x")
    (work / "spared").mkdir()
    return work


def marked(folder: Path, *spared: Path) -> Tree:
    tree = Tree(str(folder), map(str, spared))
    tree.mark()
    return tree


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_what_is_new_goes_and_what_was_there_stays(folder: Path) -> None:
    tree = marked(folder, folder / "spared")
    before = names(folder)
    (folder / "new").mkdir()
    (folder / "new" / "file").write_text("x")
    (folder / "kept" / "deep" / "new").write_text("x")
    (folder / "link").symlink_to("/")
    (folder / "spared" / "own").write_text("x")
    tree.restore()
    assert names(folder) == sorted([*before, "spared/own"])


def test_links_are_removed_and_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    tree = marked(folder)
    (folder / "new").mkdir()
    (folder / "new" / "link").symlink_to(outside)
    (folder / "other").symlink_to(outside)
    tree.restore()
    assert (outside / "precious").read_text() == "x"
    assert not (folder / "other").is_symlink()


def test_locked_folders_and_modes_are_undone(folder: Path) -> None:
    tree = marked(folder)
    (folder / "locked" / "inner").mkdir(parents=True)
    (folder / "locked" / "inner").chmod(0)
    (folder / "locked").chmod(0)
    mode = folder.stat().st_mode
    folder.chmod(0o500)
    tree.restore()
    assert not (folder / "locked").exists()
    assert folder.stat().st_mode == mode


def test_a_folder_deeper_than_any_path_may_be_is_removed(folder: Path) -> None:
    at = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 100, dir_fd=at)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    remove(str(folder / ("d" * 100)))
    assert names(folder) == ["kept", "kept/deep", "kept/file", "spared"]


@pytest.mark.parametrize("replaced", [True, False])
def test_a_folder_that_was_moved_is_told(folder: Path, replaced: bool) -> None:
    """Its processes work in the old one; only a fresh sandbox helps."""
    tree = marked(folder)
    folder.rename(folder.with_name("gone"))
    if replaced:
        folder.mkdir()
    with pytest.raises(LostFolderError):
        tree.restore()


def test_files_and_folders_of_the_tree_come_back_whatever_took_their_place(folder: Path) -> None:
    tree = Tree(str(folder))
    tree.add("pack/one.py", "1\n")
    tree.add("pack/two.py", "2\n")
    tree.link("link", "pack")
    tree.mark()
    remove(str(folder / "pack"))
    (folder / "pack").symlink_to("/")
    (folder / "link").unlink()
    (folder / "link").mkdir()
    tree.restore()
    assert (folder / "pack" / "one.py").read_text() == "1\n"
    assert not (folder / "pack").is_symlink()
    assert (folder / "link" / "two.py").read_text() == "2\n"
    before = (folder / "pack" / "one.py").stat()
    tree.restore()
    assert (folder / "pack" / "one.py").stat() == before


def test_a_change_is_undone_though_its_time_is_put_back(folder: Path) -> None:
    tree = Tree(str(folder))
    tree.add("one.py", "1\n")
    tree.mark()
    path = folder / "one.py"
    before = path.stat()
    path.write_text("2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    tree.restore()
    assert path.read_text() == "1\n"
