"""Owns where a repository ends on this machine's disk, and which ways lead into it."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from egbot.errors import SpaceError, UsageError


def is_below(path: Path, root: Path) -> bool:
    """Does ``path``, or a link that is followed on the way to it, lie in the folder ``root``?"""
    return any(_holds(root, hop) for hop in hops(path))


def refuse_links(path: Path, root: Path) -> None:
    """Raise UsageError when something written to ``path`` would go through a link below ``root``."""
    *links, _ = hops(path)
    for link in links:
        if _holds(root, link.parent):
            raise UsageError(
                f"{link} is a link of the repository, and egbot writes through none",
                hint="remove it, or name the place that it leads to",
            )


def search_path(root: Path | None = None) -> str:
    """PATH without relative entries, which change with the folder, and those below ``root``."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    kept = [one for one in entries if Path(one).is_absolute()]
    return os.pathsep.join(one for one in kept if root is None or not is_below(Path(one), root))


def hops(path: Path) -> Iterator[Path]:
    """Every link on the way to ``path`` (40 at most), then the place; none has a link before its name."""
    place, waiting, num_links = Path.cwd(), list(reversed(path.parts)), 0
    while waiting:
        part = waiting.pop()
        step = place.parent if part == ".." else place / part
        if part != ".." and num_links < 40 and os.path.islink(step):  # noqa: PTH114  no error
            num_links += 1
            yield step
            waiting += reversed(step.readlink().parts)
        else:
            place = step
    yield place


def _holds(root: Path, place: Path) -> bool:
    home = root.stat()  # by which no other spelling and no mount hides where a way goes
    for one in (place, *place.parents):
        try:
            if os.path.samestat(home, one.stat()):
                return True
        except (OSError, ValueError):
            continue  # what is not there counts by its name
    return False


def read_inside(
    root: Path, path: str, max_bytes: int, plain: dict[str, bool]
) -> tuple[bytes, int] | None:
    """A file's content and its mode in git's form; None if it is not there. Follows no link.

    ``plain`` keeps what is known of folders. Raises OSError, also for what is larger than
    ``max_bytes``, no regular file, behind a link, or a link out of ``root`` or into ``.git``.
    """
    place, folder = root / path, path.rpartition("/")[0]
    if folder not in plain:
        home = root / folder
        plain[folder] = home.resolve() == home and ".git" not in folder.split("/")
    if not plain[folder]:
        raise OSError(errno.ELOOP, "a folder on its way is a link")
    try:
        status = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        target = place.readlink()
        goal = Path(os.path.normpath(place.parent / target))
        if target.is_absolute() or not goal.is_relative_to(root):
            raise OSError(errno.ELOOP, "is a link that leaves the repository")
        if ".git" in goal.relative_to(root).parts:
            raise OSError(errno.ELOOP, "is a link into .git")
        return os.fsencode(target), 0o120000
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "is a folder (another git repository?)")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is no regular file")
    handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        data = file.read(max_bytes + 1) if status.st_size <= max_bytes else b""
    if (num_bytes := max(len(data), status.st_size)) > max_bytes:
        raise OSError(errno.EFBIG, f"has {num_bytes:,} bytes, more than {max_bytes:,}")
    return data, 0o100755 if status.st_mode & stat.S_IXUSR else 0o100644


def safe_place(root: Path, path: str) -> Path:
    """Where a patch's path lies. Raises UsageError for one that leaves the working tree."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or {"..", ".git"}.intersection(map(str.lower, parts)):
        raise UsageError(f"a patch may not write to {path!r}")
    place = root.joinpath(*parts)
    refuse_links(place, root)
    return place


def check_places(root: Path, paths: Iterable[str]) -> None:
    """See that patches could be written to ``paths``. Raises UsageError, SpaceError."""
    for path in paths:
        place = safe_place(root, path)
        folder = next(one for one in place.parents if one.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SpaceError(
                f"{folder} cannot be written, where {path} belongs",
                hint="check the folder's permissions",
            )


def replace_file(place: Path, data: bytes) -> None:
    """Replace a file's content in one step, keep its mode, make its folders. Raises SpaceError."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".egbot-", dir=place.parent) as folder:
            with Path(folder, "new").open("wb") as file:
                file.write(data)
                if place.exists():
                    os.fchmod(file.fileno(), stat.S_IMODE(place.stat().st_mode))
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(place)
    except OSError as error:
        raise SpaceError(
            f"{place} cannot be written: {error.strerror or error}",
            hint="check the folder's permissions and the free space",
        ) from error
