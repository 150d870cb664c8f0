"""The folders besides the repository that runs may write to, emptied of what each run left.

It does not know which folders those are, nor what a run is.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable

_ALL_BITS = 0o700


class LostFolderError(OSError):
    """A folder is not there any more, or is another one."""


class Folder:
    """A folder as it was when this was made: the same inode, the same mode."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._before = os.lstat(path)

    def check(self) -> None:
        """Undo a change of mode. Raises LostFolderError when the folder was moved or removed."""
        try:
            now = os.lstat(self.path)
        except OSError as error:
            raise LostFolderError(f"{self.path} is gone: {error.strerror}") from None
        if (now.st_dev, now.st_ino) != (self._before.st_dev, self._before.st_ino):
            raise LostFolderError(f"{self.path} was replaced")
        if now.st_mode != self._before.st_mode and now.st_uid == os.getuid():
            os.chmod(self.path, stat.S_IMODE(self._before.st_mode))


class Scratch:
    """``folders`` (absolute) as they are now; ``spared`` paths below them are left alone."""

    def __init__(self, folders: Iterable[str], spared: Iterable[str]) -> None:
        self._folders = [Folder(one) for one in dict.fromkeys(folders) if os.path.isdir(one)]
        self._spared = frozenset(spared)
        self._kept = frozenset(self._found(bool))

    def sweep(self) -> int:
        """Remove what was not there at first; return how much. Raises LostFolderError."""
        for folder in self._folders:
            folder.check()
        strays = [path for path in self._found(self._kept.__contains__) if path not in self._kept]
        for path in strays:
            remove(path)
        return len(strays)

    def _found(self, enters: Callable[[str], bool]) -> list[str]:
        """Return what lies in the folders, and in those inside that ``enters`` names."""
        found: list[str] = []
        waiting = [folder.path for folder in self._folders]
        for path in waiting:
            try:
                entries = [one for one in os.scandir(path) if one.path not in self._spared]
            except OSError:
                continue
            found.extend(one.path for one in entries)
            inner = [one.path for one in entries if one.is_dir(follow_symlinks=False)]
            waiting.extend(filter(enters, inner))
        return found


def remove(path: str) -> None:
    """Remove a file, link or folder, as far as that goes; links are not followed."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            remove_tree(path)
        else:
            os.unlink(path)
    except OSError:
        return


def remove_tree(folder: str) -> None:
    """Remove a folder and all in it, as far as that goes, however deep it is.

    A folder inside is moved up before it is emptied, so that no path grows too long.
    """
    beside = os.path.join(os.path.dirname(folder), f".egbot-{os.urandom(8).hex()}-")
    waiting = [folder]
    num_moved = 0
    while waiting:
        path = waiting.pop()
        for entry in _entries(path):
            with contextlib.suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    os.chmod(entry.path, _ALL_BITS)
                    num_moved += 1
                    moved = f"{beside}{num_moved}"
                    os.rename(entry.path, moved)
                    waiting.append(moved)
                else:
                    os.unlink(entry.path)
        with contextlib.suppress(OSError):
            os.rmdir(path)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        os.chmod(path, _ALL_BITS)
        return list(os.scandir(path))
    except OSError:
        return []
