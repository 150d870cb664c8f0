"""Owns the way from test files to stubs: the probe, its needs, and the files with all of them in."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from egbot.discovery.left import left_alone
from egbot.discovery.needs import merge
from egbot.discovery.probe import Probed, ask, inside, probe_of
from egbot.discovery.stubplan import Item, make_plan
from egbot.errors import UsageError
from egbot.formatting import formatted, formatter_of
from egbot.nodeids import file_of
from egbot.ports import Sandbox
from egbot.records import Evidence, FailingTest, Fault, Limits, Patch, Tree, TreeFile
from egbot.rootdirs import chosen, project_of, projects
from egbot.source.diff import unified_diff
from egbot.source.testtext import is_test_path

SCHEMA = "egbot.stubs/1"
_MAX_NOTES = 20


@dataclass(frozen=True, slots=True)
class Stubs:
    """What was missing. ``files`` are the changed and new files; ``problems`` are sentences.

    ``notes`` say what could not be followed, each with its place.
    """

    items: tuple[Item, ...]
    files: dict[str, bytes]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def stubs_of_each(
    tree: Tree,
    tests: Iterable[str],
    sandbox_of: Callable[[str, Tree], Sandbox],
    limits: Limits,
    ignored: tuple[str, ...] = (),
) -> Stubs:
    """The stubs that ``tests`` ask for in each of their projects, in turn.

    ``sandbox_of`` makes a project's sandbox; ``ignored`` are modules that git ignores. Raises as ``make_stubs`` does.
    """
    whole, before = Stubs((), {}, ()), tree
    for project, some in chosen(tree, "", tests, ()).items():
        made = make_stubs(sandbox_of(project, tree), tree, some, limits, ignored)
        changed = {
            path: replace(before.get(path, TreeFile(b"")), data=data)
            for path, data in made.files.items()
        }
        tree = {**tree, **changed}
        whole = Stubs(
            whole.items + made.items,
            whole.files | made.files,
            whole.problems + made.problems,
            whole.notes + made.notes,
        )
    return whole


def make_stubs(
    sandbox: Sandbox,
    tree: Tree,
    tests: Iterable[str],
    limits: Limits,
    ignored: tuple[str, ...] = (),
) -> Stubs:
    """Stubs for everything that ``tests`` (paths, folders, node ids) use and the tree lacks.

    Raises UsageError when there are no tests, SandboxError when no sandbox can be had.
    """
    paths = _chosen_files(tree, tests, sandbox.project)
    asked = [FailingTest(path, "collect", Fault("", "")) for path in paths]
    found = ask(sandbox, tree, asked, limits, probe_of(tree, sandbox.project), to_end=True)
    early = {path: inside(path, found.collected) for path in paths}
    needs = merge(found.evidence, tree, found.probe, is_bold=True, ignored=ignored)
    plan = make_plan(needs, tree, early, is_shown=True)
    files = {path: file.data for path, file in plan.tree.items() if tree.get(path) != file}
    with sandbox.open(plan.tree, paths, limits) as executor:
        broken = executor.collection.errors
    problems = dict.fromkeys(plan.problems)
    for one in broken:
        why = left_alone(one, Evidence(), sandbox.left_out)
        problems.setdefault(f"{one.node_id} {why}")
    return Stubs(plan.items, files, tuple(problems), _notes(found))


def _notes(found: Probed) -> tuple[str, ...]:
    notes = dict.fromkeys(note for seen in found.evidence.values() for note in seen.notes)
    return tuple(notes)[:_MAX_NOTES]


def patches_of(made: Stubs, tree: Tree, root: Path) -> tuple[Patch, ...]:
    """The changes to the files, in the layout of the repository's formatter."""
    command = formatter_of(tree, root)
    patches = []
    for path, data in sorted(made.files.items()):
        old = tree[path].data if path in tree else None
        new = formatted(command, root, path, old or b"", data)
        digest = "" if old is None else hashlib.sha256(old).hexdigest()
        patches.append(Patch(path, digest, unified_diff(path, old, new), ""))
    return tuple(patches)


def check_writable(patches: Iterable[Patch], root: Path) -> None:
    """Refuse before anything is written. Raises UsageError for a read-only file or folder."""
    for patch in patches:
        place = root / patch.path
        while not place.exists():
            place = place.parent
        if not place.stat().st_mode & stat.S_IWUSR:
            raise UsageError(
                f"{place.relative_to(root)} is read-only; no stub was written",
                hint=f"make it writable (chmod u+w {place.relative_to(root)}) and run again",
            )


def stubs_json(made: Stubs, diff: str) -> str:
    """The stubs for machines: one object with ``stubs``, ``problems``, ``notes`` and the ``diff``."""
    value = {
        "schema": SCHEMA,
        "stubs": [asdict(item) for item in made.items],
        "problems": made.problems,
        "notes": made.notes,
        "diff": diff,
    }
    return json.dumps(value, indent=2)


# --- what is asked for ------------------------------------------------------------------------


def _chosen_files(tree: Tree, tests: Iterable[str], project: str) -> tuple[str, ...]:
    every = projects(tree)
    found: dict[str, None] = {}
    for spec in tests:
        path = file_of(spec)
        if path in tree:
            found.setdefault(path)
            continue
        prefix = "" if path == "." else f"{path}/"
        inside = [p for p in sorted(tree) if p.startswith(prefix) and p.endswith(".py")]
        own = (p for p in inside if is_test_path(p) and project_of(every, p) == project)
        found.update(dict.fromkeys(own))
    if not found:
        raise UsageError(
            "there are no test files", hint="name files or folders that hold test_*.py"
        )
    return tuple(found)
