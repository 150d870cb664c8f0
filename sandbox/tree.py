"""Folders that runs may write to, put back after each run. It knows no run and no test.

They belong to whatever the tests do; only the bytes kept here are the truth.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable
from typing import NamedTuple

_Stamp = tuple[int, int, int, int]  # inode, size, change time (ns), mode
_ALL_BITS = 0o700


class TreeError(Exception):
    """The tree that was sent is not one that may be unpacked."""


class LostFolderError(OSError):
    """A folder is not there any more, or is another one."""


class _Entry(NamedTuple):
    data: bytes
    mode: int = 0o644
    link: str = ""


class Tree:
    """The folder ``root`` (an absolute real path) and what is kept of its files.

    All paths are relative, with slashes; ``spared`` ones (absolute) are left alone.
    """

    def __init__(self, root: str, spared: Iterable[str] = ()) -> None:
        self.root = root
        self._spared = frozenset(spared)
        self._entries: dict[str, _Entry] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._folder: os.stat_result | None = None

    def unpack(self, data: bytes) -> None:
        """Write a tar's regular files, folders and links that stay inside. Raises TreeError."""
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
                for member in archive:
                    self._unpack_one(archive, member)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise TreeError(f"the tree cannot be unpacked: {error}") from None

    def _unpack_one(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = clean_path(member.name)
        if path is None:
            raise TreeError(f"the path {member.name!r} leaves the tree")
        if member.isdir():
            os.makedirs(os.path.join(self.root, path), exist_ok=True)
        elif member.isreg():
            reader = archive.extractfile(member)
            data = reader.read() if reader is not None else b""
            if "__pycache__" not in path.split("/"):
                self._keep(path, _Entry(data, 0o755 if member.mode & 0o111 else 0o644))
        elif member.issym():
            target = os.path.join(os.path.dirname(path), member.linkname)
            if not os.path.isabs(member.linkname) and clean_path(target) is not None:
                self.link(path, member.linkname)

    def add(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write one more file that belongs to the tree. Raises OSError or TreeError."""
        self._keep(path, _Entry(text.encode("utf-8", "surrogatepass"), mode))

    def link(self, path: str, target: str) -> None:
        """Make one more link that belongs to the tree. Raises OSError or TreeError."""
        self._keep(path, _Entry(b"", 0, target))

    def _keep(self, path: str, entry: _Entry) -> None:
        self._entries[path] = entry
        self._write(path, entry)

    def _write(self, path: str, entry: _Entry) -> None:
        place = os.path.join(self.root, path)
        folder = os.path.dirname(place)
        os.makedirs(folder, exist_ok=True)
        if not (os.path.realpath(folder) + os.sep).startswith(self.root + os.sep):
            raise TreeError(f"the path {path!r} leaves the tree through a link")
        remove(place)
        if entry.link:
            os.symlink(entry.link, place)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(place, flags, entry.mode), "wb") as file:
            file.write(entry.data)

    def text(self, path: str) -> str | None:
        """Return the base text of a file; None when there is none or it is not UTF-8."""
        entry = self._entries.get(path)
        if entry is None or entry.link:
            return None
        try:
            return entry.data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def put(self, path: str, text: str) -> None:
        """Replace one file until ``restore``. Raises OSError or TreeError."""
        entry = self._entries.get(path)
        mode = (entry.mode if entry is not None else 0) or 0o644
        self._write(path, _Entry(text.encode("utf-8", "surrogatepass"), mode))

    def mark(self) -> None:
        """Take what lies in the folder now as what ``restore`` shall leave."""
        self._folder = os.lstat(self.root)
        self._stamps = {path: _stamp(info) for path, info in self._found(everywhere=True).items()}

    def restore(self) -> None:
        """Undo what runs changed since ``mark``.

        Raises LostFolderError when the folder itself was moved or removed, which processes that
        work in it cannot follow.
        """
        self._check_folder()
        present = self._found()
        for path, info in present.items():
            before = self._stamps.get(path)
            if before is None or stat.S_IFMT(before[3]) != stat.S_IFMT(info.st_mode):
                remove(os.path.join(self.root, path))
        for path, before in self._stamps.items():
            if path not in present or _stamp(present[path]) != before:
                # what was written while tests were collected, and is gone, cannot be put back
                with contextlib.suppress(OSError, TreeError):
                    self._restore_one(path, before)

    def _check_folder(self) -> None:
        """Undo a change of the folder's own mode. Raises LostFolderError."""
        before = self._folder
        if before is None:
            return
        try:
            now = os.lstat(self.root)
        except OSError as error:
            raise LostFolderError(f"{self.root} is gone: {error.strerror}") from None
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            raise LostFolderError(f"{self.root} was replaced")
        if now.st_mode != before.st_mode and now.st_uid == os.getuid():
            os.chmod(self.root, stat.S_IMODE(before.st_mode))

    def _restore_one(self, path: str, before: _Stamp) -> None:
        place = os.path.join(self.root, path)
        entry = self._entries.get(path)
        if entry is not None:
            self._write(path, entry)
        elif stat.S_ISDIR(before[3]):
            os.makedirs(place, exist_ok=True)
            os.chmod(place, stat.S_IMODE(before[3]))
        self._stamps[path] = _stamp(os.lstat(place))

    def _found(self, everywhere: bool = False) -> dict[str, os.stat_result]:
        """Return what lies in the folder, and ``everywhere`` or in those inside that are known."""
        found: dict[str, os.stat_result] = {}
        folders = [""]
        for folder in folders:
            try:
                entries = list(os.scandir(os.path.join(self.root, folder)))
            except OSError:
                continue
            for entry in entries:
                path = os.path.join(folder, entry.name)
                with contextlib.suppress(OSError):
                    if entry.path not in self._spared:
                        found[path] = entry.stat(follow_symlinks=False)
                        if entry.is_dir(follow_symlinks=False):
                            folders += [path] if everywhere or path in self._stamps else []
        return found


def clean_path(path: str) -> str | None:
    """Return ``path`` normalised; None when it is absolute, empty, or leaves its root."""
    if not path or path.startswith("/") or "\0" in path:
        return None
    clean = os.path.normpath(path)
    return None if clean in (".", "..") or clean.startswith("../") else clean


def _stamp(info: os.stat_result) -> _Stamp:
    if stat.S_ISDIR(info.st_mode):
        return (0, 0, 0, info.st_mode)
    return (info.st_ino, info.st_size, info.st_ctime_ns, info.st_mode)


def remove(path: str) -> None:
    """Remove a file, a link or a folder with all in it, as far as that goes, however deep it is.

    Links are not followed. A folder inside is moved up before it is emptied, so that no path grows
    too long.
    """
    beside = os.path.join(os.path.dirname(path), f".egbot-{os.urandom(8).hex()}-")
    waiting = [path]
    for place in waiting:
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                os.unlink(place)
                continue
            os.chmod(place, _ALL_BITS)
            for entry in list(os.scandir(place)):
                with contextlib.suppress(OSError):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.path)
                        continue
                    os.chmod(entry.path, _ALL_BITS)  # else it cannot be moved
                    os.rename(entry.path, f"{beside}{len(waiting)}")
                    waiting.append(f"{beside}{len(waiting)}")
            os.rmdir(place)
