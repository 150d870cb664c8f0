"""Owns the working tree of a git repository: snapshots, patches written into it, commits."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from egbot.bounds import read_inside, replace_file, safe_place
from egbot.errors import SpaceError, UsageError
from egbot.gitcommand import ask_git, refusal, run_git
from egbot.records import Patch, Tree, TreeFile

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_TREE_BYTES = 256 * 1024 * 1024
_AGAIN = "run egbot again on the present files"


class Repository(NamedTuple):
    """A git working tree; ``root`` is its top level, absolute and without links.

    ``folder`` is the one below it (with slashes, "" is the root) that is meant: where a person is,
    then the project whose tests run.
    """

    root: Path
    folder: str = ""


def open_repository(path: Path) -> Repository:
    """The working tree that holds a folder or file. Raises UsageError, SurroundingsError."""
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise UsageError(f"{path} does not exist", hint="give a folder inside a git repository")
    root = Path(os.fsdecode(ask_git(folder, "rev-parse", "--show-toplevel"))).resolve()
    _, own, _ = run_git(root, "rev-parse", "--resolve-git-dir", ".git")
    theirs = ask_git(folder, "rev-parse", "--absolute-git-dir")
    if not own or (root / os.fsdecode(own)).resolve() != Path(os.fsdecode(theirs)).resolve():
        raise UsageError(
            f"the git configuration of {folder} names another working tree, {root}",
            hint="take core.worktree out of it (git config --unset core.worktree)",
        )
    return Repository(root)


def head_sha(repository: Repository) -> str:
    """The commit checked out; "" before the first. Raises SurroundingsError if it is lost."""
    status, sha, said = run_git(repository.root, "rev-parse", "--verify", "--quiet", "HEAD")
    if status and said:
        raise refusal(repository.root, said)
    if sha:
        ask_git(repository.root, "cat-file", "-e", f"{sha.decode()}^{{commit}}")
    return sha.decode()


def is_clean(repository: Repository, paths: Iterable[str] = ()) -> bool:
    """Do these paths (none: all) have no staged, unstaged or untracked change?"""
    return not _changes(repository, paths)


def _changes(repository: Repository, paths: Iterable[str]) -> list[bytes]:
    """Git's short status. Submodules are not asked: theirs would be a configuration of its own."""
    options = ("-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all")
    printed = ask_git(repository.root, "status", "--porcelain", *options, "--", *paths)
    return printed.split(b"\0")[:-1]


def snapshot(repository: Repository, *, note: Callable[[str], None] = lambda _: None) -> Tree:
    """The tracked and the untracked, not ignored files as they are in the working tree.

    ``note`` hears of what is left out, and why (see ``read_inside``). Raises UsageError over
    ``MAX_TREE_BYTES``, SurroundingsError if git cannot say which files there are.
    """
    root, total_bytes = repository.root, 0
    tree, plain = dict[str, TreeFile](), dict[str, bool]()
    for raw in _listed(root):
        try:
            found = read_inside(root, path := raw.decode(), MAX_FILE_BYTES, plain)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "has a name that is not UTF-8")
            note(f"left out {os.fsdecode(raw)!r}: {why}")
            continue
        if found is not None:
            tree[path] = TreeFile(*found)
            total_bytes += len(found[0])
        if total_bytes > MAX_TREE_BYTES:
            raise UsageError(
                f"the working tree of {root} holds more than {MAX_TREE_BYTES:,} bytes",
                hint="list data, caches and build folders in .gitignore, then run again",
            )
    return tree


def ignored_modules(repository: Repository) -> tuple[str, ...]:
    """The Python modules that git ignores, so that no snapshot has them; a folder of such ends with /."""
    options = ("--others", "--ignored", "--exclude-standard", "--directory")
    printed = ask_git(repository.root, "ls-files", "-z", *options)
    paths = printed.decode(errors="replace").split("\0")[:-1]
    return tuple(
        one
        for one in paths
        if one.endswith((".py", ".so", ".pyd"))
        or (one.endswith("/") and any((repository.root / one).glob("*.py")))
    )


def _listed(root: Path) -> list[bytes]:
    """The paths that git lists, sorted; another repository's folder is one of them.

    The index is compared with its checksum: git does not, and reads half of one that was cut.
    """
    printed = ask_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    said = ask_git(root, "rev-parse", "--show-object-format", "--git-path", "index")
    kind, _, name = os.fsdecode(said).partition("\n")
    data = (root / name).read_bytes() if (root / name).is_file() else b""
    end = len(data) - hashlib.new(kind).digest_size
    digest = hashlib.new(kind, data[:end]).digest()
    if data and data[end:] not in (digest, bytes(len(digest))):  # zeros: index.skipHash
        raise refusal(root, "the index file does not have the checksum that it names")
    return sorted({path.rstrip(b"/") for path in printed.split(b"\0")[:-1]})


def apply(repository: Repository, patches: Iterable[Patch]) -> tuple[str, ...]:
    """Write patches into the working tree; the paths written. Nothing is staged.

    All are checked before the first is written. Raises UsageError if a file is not what its patch
    was made for, SpaceError if one cannot be written.
    """
    contents: dict[str, bytes] = {}
    for patch in patches:
        place = safe_place(repository.root, patch.path)
        current = contents.get(patch.path)
        try:
            current = place.read_bytes() if current is None else current
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UsageError(f"{place} cannot be read: {error.strerror}") from error
        if patch.base_sha256 != ("" if current is None else hashlib.sha256(current).hexdigest()):
            what = "has changed since" if current is not None else "is missing, but was there when"
            raise UsageError(f"{patch.path} {what} the patch was made", hint=_AGAIN)
        contents[patch.path] = _patched(patch, current)
    for path, data in contents.items():
        replace_file(repository.root / path, data)
    return tuple(contents)


def _patched(patch: Patch, current: bytes | None) -> bytes:
    """The file after the patch: git applies the diff to a copy in a folder of its own."""
    try:
        with tempfile.TemporaryDirectory(prefix="egbot-apply-") as name:
            folder, diff = Path(name, "tree"), Path(name, "diff")
            place = folder / patch.path
            place.parent.mkdir(parents=True)
            if current is not None:
                place.write_bytes(current)
            diff.write_bytes(patch.unified_diff.encode("utf-8", "surrogatepass"))
            own = {"GIT_CEILING_DIRECTORIES": name}
            _, _, said = run_git(folder, "apply", "--whitespace=nowarn", str(diff), own=own)
            if said or not place.is_file():
                why = said or "it makes no such file"
                raise UsageError(f"the patch for {patch.path} does not apply: {why}", hint=_AGAIN)
            return place.read_bytes()
    except OSError as error:
        raise SpaceError(
            f"no temporary folder can be written for {patch.path}: {error.strerror}",
            hint="free some space, or point TMPDIR at a folder that has it",
        ) from error


def check_identity(repository: Repository) -> None:
    """See that git knows whom a commit would be by. Raises UsageError."""
    for role in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        status, _, said = run_git(repository.root, "var", role)
        if status:
            raise UsageError(
                f"git does not know who commits: {said.rpartition('fatal: ')[2]}",
                hint="set user.name and user.email with git config, or leave out --commit",
            )


def commit(repository: Repository, paths: Iterable[str], message: str) -> str:
    """Commit these paths, and only these, as the user; the new commit, or "" if nothing changed.

    Other staged changes stay staged. Raises UsageError if the paths have staged changes, or if
    git refuses (no identity, a hook, a merge in progress).
    """
    root, names = repository.root, tuple(paths)
    changes = _changes(repository, names) if names else []
    if not changes:
        return ""
    if any(change[:1] not in b" ?" for change in changes):
        raise UsageError(
            f"there are staged changes in {', '.join(names)}; they would end up in egbot's commit",
            hint="commit or unstage them first (git restore --staged <path>)",
        )
    check_identity(repository)
    ask_git(root, "add", "--intent-to-add", "--", *names)
    options = ("--quiet", "--only", "--cleanup=verbatim", f"--message={message.rstrip()}")
    status, printed, said = run_git(root, "commit", *options, "--", *names, is_commit=True)
    if status:
        run_git(root, "reset", "--quiet", "--", *names)
        raise UsageError(
            f"git refused the commit: {said or printed.decode(errors='replace').strip()}",
            hint="see git's message; the changes stay in the working tree",
        )
    return head_sha(repository)
