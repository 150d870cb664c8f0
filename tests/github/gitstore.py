"""Bare git repositories, driven through the git program.

It does not know pull requests, tokens or HTTP.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_NO_BLOB = "0" * 40
# Forks are fetched by sha, names are shown as they are, nothing is packed behind a test's back.
_CONFIG = """\
[uploadpack]
    allowAnySHA1InWant = true
[core]
    quotePath = false
[gc]
    auto = 0
"""


class GitFailedError(Exception):
    """git refused; the message is what it wrote."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a tree: ``kind`` is blob, tree or commit."""

    mode: str
    kind: str
    sha: str
    size_bytes: int | None
    path: str


@dataclass(frozen=True, slots=True)
class CommitRecord:
    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    authored_at: str
    committer: Person
    committed_at: str
    message: str


@dataclass(frozen=True, slots=True)
class BareRepository:
    path: Path

    @classmethod
    def create(cls, path: Path) -> BareRepository:
        path.mkdir(parents=True)
        store = cls(path)
        store.text("init", "--quiet", "--bare", "--initial-branch=main")
        with (path / "config").open("a") as config:
            config.write(_CONFIG)
        return store

    def raw(self, *words: str, data: bytes = b"", extra: dict[str, str] | None = None) -> bytes:
        """What git prints; raises GitFailedError when it exits with an error."""
        done = subprocess.run(
            ["git", *words],
            cwd=self.path,
            input=data,
            capture_output=True,
            check=False,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                "LC_ALL": "C",
                **(extra or {}),
            },
        )
        if done.returncode:
            raise GitFailedError(done.stderr.decode("utf-8", "replace").strip())
        return done.stdout

    def text(self, *words: str, data: bytes = b"", extra: dict[str, str] | None = None) -> str:
        return self.raw(*words, data=data, extra=extra).decode("utf-8", "replace").strip()

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, ref or (full or short) sha names."""
        for candidate in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            try:
                words = ("--verify", "--quiet", "--end-of-options", candidate + "^{commit}")
                return self.text("rev-parse", *words)
            except GitFailedError:
                continue
        return None

    def ref(self, name: str) -> str | None:
        """The object id of one fully named ref (refs/...)."""
        loose = self.path / name
        if ".." not in name and loose.is_file():
            return loose.read_text().strip()  # nearly always, and spares a process
        try:
            return self.text("show-ref", "--verify", "--hash", "--", name)
        except GitFailedError:
            return None

    def refs(self, prefix: str) -> list[tuple[str, str]]:
        """(name, object id) of every ref that starts with ``prefix``."""
        rows = self.text("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        pairs = [(name, sha) for name, sha in (row.split(" ") for row in rows)]
        return [pair for pair in pairs if pair[0].startswith(prefix)]

    def set_ref(self, name: str, sha: str) -> None:
        self.text("update-ref", name, sha)

    def delete_ref(self, name: str) -> None:
        self.text("update-ref", "-d", name)

    def kind_of(self, sha: str) -> str | None:
        try:
            return self.text("cat-file", "-t", sha)
        except GitFailedError:
            return None

    def is_ancestor(self, old: str, new: str) -> bool:
        try:
            self.text("merge-base", "--is-ancestor", old, new)
        except GitFailedError:
            return False
        return True

    def merge_base(self, one: str, other: str) -> str | None:
        try:
            return self.text("merge-base", one, other)
        except GitFailedError:
            return None

    def blob(self, data: bytes) -> str:
        return self.text("hash-object", "-w", "--stdin", data=data)

    def read(self, sha: str) -> bytes:
        return self.raw("cat-file", "blob", sha)

    def file(self, ref: str, path: str) -> bytes | None:
        """A file's bytes at a commit or branch, or None."""
        commit = self.resolve(ref)
        try:
            return self.raw("cat-file", "blob", f"{commit}:{path}") if commit else None
        except GitFailedError:
            return None

    def entries(self, tree: str, *, recursive: bool = False) -> list[Entry]:
        words = ["ls-tree", "-l", "-z", *(["-r", "-t"] if recursive else []), tree]
        rows = self.raw(*words).decode("utf-8", "replace").split("\0")
        return [_entry(row) for row in rows if row]

    def tree(self, base: str | None, rows: list[tuple[str, str | None, str]]) -> str:
        """Write a tree: (mode, object id or None to delete, path) put over ``base``."""
        for _, _, path in rows:
            if {"", ".", "..", ".git"}.intersection(path.split("/")):
                raise GitFailedError(f"path {path!r} contains a malformed path component")
        lines = [f"{mode if sha else '0'} {sha or _NO_BLOB}\t{path}" for mode, sha, path in rows]
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
            self.text("read-tree", *([base] if base else ["--empty"]), extra=index)
            data = "".join(f"{line}\0" for line in lines).encode()
            self.text("update-index", "--add", "-z", "--index-info", data=data, extra=index)
            return self.text("write-tree", extra=index)

    def commit_tree(
        self, tree: str, parents: list[str], message: str, people: tuple[Person, Person], when: str
    ) -> str:
        """Write a commit; ``people`` is (author, committer), ``when`` an ISO 8601 time."""
        author, committer = people
        extra = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": when,
        }
        words = [word for parent in parents for word in ("-p", parent)]
        return self.text("commit-tree", tree, *words, data=message.encode(), extra=extra)

    def commit(self, sha: str) -> CommitRecord:
        shape = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
        row = self.text("show", "-s", shape, sha).split("\0")
        return CommitRecord(
            sha=row[0],
            tree=row[1],
            parents=tuple(row[2].split()),
            author=Person(row[3], row[4]),
            authored_at=row[5],
            committer=Person(row[6], row[7]),
            committed_at=row[8],
            message=row[9].rstrip("\n"),
        )

    def log(self, since: str | None, head: str) -> list[str]:
        """Commits of ``head`` that ``since`` lacks, oldest first."""
        words = [head, *([f"^{since}"] if since else [])]
        return self.text("rev-list", "--reverse", *words).split()

    def bring(self, source: BareRepository, sha: str) -> None:
        """Fetch one commit of another repository."""
        if source.path != self.path and self.kind_of(sha) is None:
            self.text("fetch", "--quiet", "--no-tags", str(source.path), sha)


def _entry(row: str) -> Entry:
    head, path = row.split("\t", 1)
    mode, kind, sha, size = head.split()
    return Entry(mode, kind, sha, None if size == "-" else int(size), path)
