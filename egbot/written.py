"""Owns what becomes of accepted patches in the working tree: written file by file, committed."""

from __future__ import annotations

from collections.abc import Sequence

from egbot.errors import UsageError
from egbot.records import Patch, Run
from egbot.repository import Repository, apply, commit, is_clean


def check_clean(repository: Repository, paths: tuple[str, ...]) -> None:
    """Raise UsageError where paths have changes that would end up in egbot's commit."""
    if not is_clean(repository, paths):
        raise UsageError(
            f"there are changes in {', '.join(paths)} that are not committed; they would end up "
            "in egbot's commit, so nothing was written",
            hint="commit or stash them first, or use --apply",
        )


def write_patches(repository: Repository, run: Run, *, is_commit: bool) -> None:
    """Write a run's accepted patches into the working tree, and commit them when asked to.

    Raises UsageError for what does not fit any more, when the others are written, SpaceError.
    """
    patches = [one.patch for one in run.outcomes if one.patch is not None]
    if not patches:
        return
    paths = tuple(dict.fromkeys(patch.path for patch in (*run.tests_added, *patches)))
    if is_commit:
        check_clean(repository, paths)
    refused = _apply_each(repository, [*run.tests_added, *patches])
    written = tuple(path for path in paths if path not in refused)
    if is_commit and written:
        names = ", ".join(
            one.target.qualname
            for one in run.outcomes
            if one.target and one.patch and one.patch.path in written
        )
        commit(repository, written, f"Implement {names}\n\nWritten and verified by egbot.\n")
    if refused:
        others = "the others were written" if written else "nothing was written"
        raise UsageError(
            f"{'; '.join(refused.values())}; {others}",
            hint="run egbot again on the present files",
        )


def _apply_each(repository: Repository, patches: Sequence[Patch]) -> dict[str, str]:
    """Write each file's patches, whatever becomes of the other files; path and why of the rest."""
    refused: dict[str, str] = {}
    for path in dict.fromkeys(patch.path for patch in patches):
        try:
            apply(repository, [patch for patch in patches if patch.path == path])
        except UsageError as error:
            refused[path] = error.message
    return refused
