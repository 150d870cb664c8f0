"""Owns a git working tree: takes snapshots of it, writes patches into it and commits them.

It does not know what a patch is good for. Git is called with argument lists of our own and reads
no paths as patterns. A repository that was unpacked brings a configuration of its own: a monitor
of the file system is never started, nothing is fetched, no repository inside it and no other
working tree takes its place. The user's hooks and filters run on ``commit``, as on any of theirs.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from egbot.errors import SpaceError, SurroundingsError, UsageError
from egbot.records import Patch, Tree, TreeFile

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_TREE_BYTES = 256 * 1024 * 1024
_GIT_TIMEOUT_S = 120.0
_COMMIT_TIMEOUT_S = 900.0  # the user's hooks may run their own checks
_LINK_MODE = 0o120000
_QUIET = (
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "safe.bareRepository=explicit"),
)
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
# A git hook that starts egbot hands these down; they would redirect our calls.
_REDIRECTING = frozenset(
    {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"}
)


@dataclass(frozen=True, slots=True)
class Repository:
    """A git working tree; ``root`` is its top level, absolute and without links."""

    root: Path


def open_repository(path: Path) -> Repository:
    """The working tree that holds ``path`` (a folder or file).

    Raises UsageError if there is none, SurroundingsError if git is missing or refuses.
    """
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise UsageError(f"{path} does not exist", hint="give a folder inside a git repository")
    result = _run(folder, "rev-parse", "--show-toplevel")
    if result.returncode:
        raise _refusal(folder, result)
    root = Path(os.fsdecode(result.stdout.rstrip(b"\n"))).resolve()
    own = _run(root, "rev-parse", "--resolve-git-dir", ".git").stdout
    theirs = _git(folder, "rev-parse", "--absolute-git-dir")
    if not own or _place(root, own) != _place(root, theirs):
        raise UsageError(
            f"the git configuration of {folder} names another working tree, {root}",
            hint="take core.worktree out of it (git config --unset core.worktree)",
        )
    return Repository(root)


def _place(root: Path, printed: bytes) -> Path:
    return (root / os.fsdecode(printed.rstrip(b"\n"))).resolve()


def head_sha(repository: Repository) -> str:
    """The commit that is checked out; "" while nothing has been committed yet."""
    result = _run(repository.root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return result.stdout.decode().strip() if not result.returncode else ""


def is_clean(repository: Repository, paths: Iterable[str] = ()) -> bool:
    """Do these paths (none: all) have no staged, unstaged or untracked change?"""
    return not _status(repository.root, "all", paths)


def _status(root: Path, untracked: str, paths: Iterable[str]) -> bytes:
    """Git's short status. Submodules are not asked: theirs would be a configuration of its own."""
    options = ("--porcelain", "-z", f"--untracked-files={untracked}", "--ignore-submodules=all")
    return _git(root, "status", *options, "--", *paths)


# --- reading -----------------------------------------------------------------------------------


def snapshot(
    repository: Repository,
    *,
    note: Callable[[str], None] = lambda _: None,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_tree_bytes: int = MAX_TREE_BYTES,
) -> Tree:
    """The tracked and the untracked, not ignored files as they are in the working tree.

    ``note`` hears of each file that is left out: submodules, files over ``max_file_bytes``, links
    that leave the tree, names that are not UTF-8. Raises UsageError over ``max_tree_bytes``.
    """
    tree: dict[str, TreeFile] = {}
    total = 0
    safe_folders: dict[Path, bool] = {}
    for raw, is_submodule in _listed(repository):
        path = os.fsdecode(raw)
        try:
            _check_entry(raw, is_submodule=is_submodule)
            found = _read(repository.root, path, max_file_bytes, safe_folders)
        except (_LeftOutError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            note(f"left out {path!r}: {reason}")
            continue
        if found is None:
            continue
        total += len(found.data)
        if total > max_tree_bytes:
            raise UsageError(
                f"the working tree of {repository.root} holds more than {max_tree_bytes:,} bytes",
                hint="list data, caches and build folders in .gitignore, then run again",
            )
        tree[path] = found
    return tree


def _check_entry(raw: bytes, *, is_submodule: bool) -> None:
    if is_submodule:
        raise _LeftOutError("is a git repository of its own")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise _LeftOutError("has a name that is not UTF-8") from error


class _LeftOutError(Exception):
    """A file that does not go into a snapshot, and why."""


def _listed(repository: Repository) -> list[tuple[bytes, bool]]:
    """The paths that git lists, sorted, and whether each is a repository of its own."""
    paths: dict[bytes, bool] = {}
    for entry in _git(repository.root, "ls-files", "-z", "--stage").split(b"\0")[:-1]:
        meta, _, path = entry.partition(b"\t")
        paths[path] = meta.startswith(b"160000")
    others = _git(repository.root, "ls-files", "-z", "--others", "--exclude-standard")
    for path in others.split(b"\0")[:-1]:
        paths[path.rstrip(b"/")] = path.endswith(b"/")
    return sorted(paths.items())


def _read(root: Path, path: str, max_bytes: int, safe_folders: dict[Path, bool]) -> TreeFile | None:
    """One file, or None if it was deleted. Never follows a link, never enters ``.git``."""
    place = root / path
    if not _is_inside(root, place.parent, safe_folders):
        raise _LeftOutError("a folder on its way is a link")
    try:
        status = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        return TreeFile(_link_inside(root, place), _LINK_MODE)
    if not stat.S_ISREG(status.st_mode):
        raise _LeftOutError("is no regular file")
    if status.st_size > max_bytes:
        raise _LeftOutError(f"has {status.st_size:,} bytes, more than {max_bytes:,}")
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _LeftOutError(f"grew over {max_bytes:,} bytes while it was read")
    return TreeFile(data, 0o100755 if status.st_mode & stat.S_IXUSR else 0o100644)


def _is_inside(root: Path, folder: Path, known: dict[Path, bool]) -> bool:
    """Is the folder the place that its name says, with no link on the way?"""
    if folder not in known:
        known[folder] = folder.resolve() == folder and ".git" not in folder.relative_to(root).parts
    return known[folder]


def _link_inside(root: Path, place: Path) -> bytes:
    target = place.readlink()
    goal = Path(os.path.normpath(place.parent / target))
    if target.is_absolute() or not goal.is_relative_to(root):
        raise _LeftOutError("is a link that leaves the repository")
    if ".git" in goal.relative_to(root).parts:
        raise _LeftOutError("is a link into .git")
    return os.fsencode(target)


# --- writing -----------------------------------------------------------------------------------


def apply(repository: Repository, patches: Iterable[Patch]) -> tuple[str, ...]:
    """Write patches into the working tree; the paths written. Nothing is staged.

    All are checked before the first is written. Raises UsageError if a file is not what its patch
    was made for, SpaceError if one cannot be written.
    """
    contents: dict[str, bytes] = {}
    for patch in patches:
        place = _safe_place(repository, patch.path)
        current = contents[patch.path] if patch.path in contents else _current(place)
        digest = "" if current is None else hashlib.sha256(current).hexdigest()
        if digest != patch.base_sha256:
            what = "has changed since" if current is not None else "is missing, but was there when"
            raise UsageError(
                f"{patch.path} {what} the patch was made",
                hint="run egbot again on the present files",
            )
        contents[patch.path] = _patched(patch, current)
    for path, data in contents.items():
        _write(repository.root / path, data)
    return tuple(contents)


def _safe_place(repository: Repository, path: str) -> Path:
    """Where a patch's path lies. Raises UsageError for one that leaves the working tree."""
    pure = PurePosixPath(path)
    place = repository.root / pure
    is_plain = bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts
    if not is_plain or any(part.lower() == ".git" for part in pure.parts):
        raise UsageError(f"a patch may not write to {path!r}")
    if place.parent.resolve() != place.parent or place.is_symlink():
        raise UsageError(f"{path} lies behind a link; egbot writes to plain files only")
    return place


def check_identity(repository: Repository) -> None:
    """See that git knows whom a commit would be by. Raises UsageError."""
    for role in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        result = _run(repository.root, "var", role)
        if result.returncode:
            detail = result.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise UsageError(
                f"git does not know who commits: {detail}",
                hint="set user.name and user.email with git config, or leave out --commit",
            )


def check_places(repository: Repository, paths: Iterable[str]) -> None:
    """See that patches could be written to ``paths``. Raises UsageError, SpaceError."""
    for path in paths:
        place = _safe_place(repository, path)
        folder = next(one for one in place.parents if one.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SpaceError(
                f"{folder} cannot be written, where {path} belongs",
                hint="check the folder's permissions",
            )


def _current(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{place} cannot be read: {error.strerror}") from error


def _patched(patch: Patch, current: bytes | None) -> bytes:
    """The file after the patch: git applies the diff to a copy in a folder of its own."""
    try:
        with tempfile.TemporaryDirectory(prefix="egbot-apply-") as name:
            return _patched_in(Path(name).resolve(), patch, current)
    except OSError as error:
        raise SpaceError(
            f"no temporary folder can be written for {patch.path}: {error.strerror}",
            hint="free some space, or point TMPDIR at a folder that has it",
        ) from error


def _patched_in(folder: Path, patch: Patch, current: bytes | None) -> bytes:
    place = folder / patch.path
    place.parent.mkdir(parents=True, exist_ok=True)
    if current is not None:
        place.write_bytes(current)
    result = _run(
        folder,
        *("-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"),
        stdin=patch.unified_diff.encode("utf-8", "surrogatepass"),
        ceiling=folder.parent,
    )
    if result.returncode or not place.is_file():
        detail = result.stderr.decode(errors="replace").strip()
        raise UsageError(
            f"the patch for {patch.path} does not apply: {detail or 'it makes no such file'}",
            hint="run egbot again on the present files",
        )
    return place.read_bytes()


def _write(place: Path, data: bytes) -> None:
    """Replace a file's content in one step and keep its mode."""
    temporary = ""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(place.stat().st_mode) if place.exists() else 0o644
        handle, temporary = tempfile.mkstemp(prefix=".egbot-", dir=place.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(place)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise SpaceError(
            f"{place} cannot be written: {error.strerror}",
            hint="check the folder's permissions and the free space",
        ) from error


def commit(repository: Repository, paths: Iterable[str], message: str) -> str:
    """Commit these paths, and only these, as the user; the new commit, or "" if nothing changed.

    Other staged changes stay staged. Raises UsageError if the paths held staged changes of the
    user's, or if git refuses (no identity, a hook, a merge in progress).
    """
    root, names = repository.root, tuple(paths)
    if not names or is_clean(repository, names):
        return ""
    staged = _status(root, "no", names)
    if any(entry[:1] not in (b" ", b"") for entry in staged.split(b"\0")):
        raise UsageError(
            f"there are staged changes in {', '.join(names)}; they would end up in egbot's commit",
            hint="commit or unstage them first (git restore --staged <path>)",
        )
    _git(root, "add", "--intent-to-add", "--", *names)
    result = _run(
        root,
        *("commit", "--quiet", "--only", "--file=-", "--cleanup=verbatim", "--", *names),
        stdin=message.rstrip().encode() + b"\n",
        is_commit=True,
    )
    if result.returncode:
        _run(root, "reset", "--quiet", "--", *names)
        detail = (result.stderr or result.stdout).decode(errors="replace").strip()
        hint = "see git's message; the changes stay in the working tree"
        if "user.email" in detail or "user.name" in detail:
            hint = "set user.name and user.email with git config, then run again"
        raise UsageError(f"git refused the commit: {detail}", hint=hint)
    return head_sha(repository)


# --- git ---------------------------------------------------------------------------------------


def _git(folder: Path, *arguments: str) -> bytes:
    result = _run(folder, *arguments)
    if result.returncode:
        raise _refusal(folder, result)
    return result.stdout


def _run(
    folder: Path,
    *arguments: str,
    stdin: bytes = b"",
    is_commit: bool = False,
    ceiling: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run git in ``folder``. Only a commit sees the user's hooks and language.

    Git looks for a repository in ``folder`` and above, but not in ``ceiling`` or above that.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _REDIRECTING}
    environment |= {"GIT_LITERAL_PATHSPECS": "1", "GIT_TERMINAL_PROMPT": "0"}
    if ceiling:
        environment["GIT_CEILING_DIRECTORIES"] = str(ceiling)
    if not is_commit:
        environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        return subprocess.run(
            ["git", *_QUIET, *(() if is_commit else _NO_HOOKS), *arguments],
            cwd=folder,
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=_COMMIT_TIMEOUT_S if is_commit else _GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise SurroundingsError(
            "git was not found", hint="install git, version 2.31 or newer"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SurroundingsError(
            f"git {arguments[0]} did not finish in {error.timeout:.0f} s in {folder}",
            hint="see whether another git process holds a lock there",
        ) from error


def _refusal(
    folder: Path, result: subprocess.CompletedProcess[bytes]
) -> UsageError | SurroundingsError:
    """Git's own words, with what to do next for the refusals that people meet."""
    detail = result.stderr.decode(errors="replace").strip()
    if "dubious ownership" in detail:
        named = re.search(r"repository at '(.+)'", detail)
        root = named[1] if named else str(folder.resolve())
        return SurroundingsError(
            f"git refuses to work in {root}: the folder belongs to another user",
            hint=f"if you trust it: git config --global --add safe.directory {shlex.quote(root)}",
        )
    if "not a git repository" in detail:
        return UsageError(
            f"{folder} is not a git repository",
            hint="run egbot inside one, or run git init and commit your files first",
        )
    if "must be run in a work tree" in detail or "cannot use bare repository" in detail:
        return UsageError(
            f"{folder} is not in a working tree (a bare repository?)", hint="check it out somewhere"
        )
    return SurroundingsError(f"git failed in {folder}: {detail or 'no message'}")
