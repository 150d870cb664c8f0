"""The repository's files on disk: unpacked once, put back after every run. It runs nothing.

The folder belongs to whatever the tests do; only the bytes kept here are the truth.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import NamedTuple

from sandbox.scratch import Folder, remove, remove_tree

_Stamp = tuple[int, int, int, int]  # inode, size, change time (ns), mode


class TreeError(Exception):
    """The tree that was sent is not one that may be unpacked."""


class _Entry(NamedTuple):
    data: bytes
    mode: int
    link: str


class Tree:
    """The files below ``root`` (an absolute real path); all paths are relative, with slashes."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._entries: dict[str, _Entry] = {}
        self._stamps: dict[str, _Stamp] = {}
        self._folder: Folder | None = None

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
                self._keep(path, _Entry(data, 0o755 if member.mode & 0o111 else 0o644, ""))
        elif member.issym():
            target = os.path.join(os.path.dirname(path), member.linkname)
            if os.path.isabs(member.linkname) or clean_path(target) is None:
                return
            self._keep(path, _Entry(b"", 0, member.linkname))

    def add(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write one more file that belongs to the tree. Raises OSError or TreeError."""
        self._keep(path, _Entry(text.encode("utf-8", "surrogatepass"), mode, ""))

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
        if os.path.isdir(place) and not os.path.islink(place):
            remove_tree(place)
        if os.path.lexists(place):
            os.unlink(place)
        if entry.link:
            os.symlink(entry.link, place)
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(place, flags, entry.mode)
        with os.fdopen(handle, "wb") as file:
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
        mode = entry.mode if entry is not None and entry.mode else 0o644
        self._write(path, _Entry(text.encode("utf-8", "surrogatepass"), mode, ""))

    def mark(self) -> None:
        """Take what lies in the folder now as what ``restore`` shall leave."""
        self._folder = Folder(self.root)
        self._stamps = {path: _stamp(info) for path, info in self._walk()}

    def restore(self) -> int:
        """Undo what runs changed since ``mark``; return how many files were touched.

        Raises LostFolderError when the tree's own folder was moved, which processes that work in
        it cannot follow.
        """
        if self._folder is not None:
            self._folder.check()
        touched = 0
        present = dict(self._walk())
        for path in sorted(present):  # outermost first, so that no path is too long
            if path not in self._stamps:
                remove(os.path.join(self.root, path))
                touched += 1
        for path, before in self._stamps.items():
            info = present.get(path)
            if info is None or _stamp(info) != before:
                touched += self._restore_one(path, before)
        return touched

    def _restore_one(self, path: str, before: _Stamp) -> int:
        place = os.path.join(self.root, path)
        entry = self._entries.get(path)
        try:
            if entry is not None:
                self._write(path, entry)
            elif stat.S_ISDIR(before[3]):
                os.makedirs(place, exist_ok=True)
                os.chmod(place, stat.S_IMODE(before[3]))
            self._stamps[path] = _stamp(os.lstat(place))
        except (OSError, TreeError):
            return 0  # written while tests were collected and gone since: nothing to put back
        return 1

    def _walk(self) -> list[tuple[str, os.stat_result]]:
        found: list[tuple[str, os.stat_result]] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                entries = list(os.scandir(os.path.join(self.root, folder)))
            except OSError:
                continue
            for entry in entries:
                path = folder + "/" + entry.name if folder else entry.name
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                found.append((path, info))
                if stat.S_ISDIR(info.st_mode):
                    folders.append(path)
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
    return (info.st_ino, info.st_size, info.st_mtime_ns, info.st_mode)
