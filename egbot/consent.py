"""Owns who may choose which setting, and a person's consent to what a repository chooses.

A repository's own file is a stranger's word: `RULES` says of every setting what it may say there.
It builds and runs nothing. Consent lies outside the repository, bound to the bytes that were read.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from egbot.bounds import is_below
from egbot.config import SandboxSettings, Settings, known_keys, load_settings, section
from egbot.errors import SpaceError, UsageError
from egbot.records import Tree

Verdict = Literal["always", "after trust", "never"]
Rule = Callable[[object, Path | None], Verdict]
_OPTIONS = {"model": "--model", "sandbox.backend": "--sandbox", "sandbox.python": "--python"}


def _always(_value: object, _root: Path | None) -> Verdict:
    return "always"


def _after_trust(_value: object, _root: Path | None) -> Verdict:
    return "after trust"


def _at_most(limit: float) -> Rule:
    return lambda value, _: "always" if float(str(value)) <= limit else "after trust"


def _with_walls(value: object, _root: Path | None) -> Verdict:
    return "never" if value == "process" else "always"


def _python_outside(value: object, root: Path | None) -> Verdict:
    path = Path(str(value))
    is_inside = not path.is_absolute() or (root is not None and is_below(path, root))
    return "never" if is_inside else "after trust"


def _model_outside(value: object, root: Path | None) -> Verdict:
    """A name of the hub is one unless there is something of that name where it would be sought."""
    name = str(value)
    path = Path(os.path.expanduser(name))  # noqa: PTH111  Path's raises where there is no home
    is_path = path.is_absolute() or name.startswith(".") or path.suffix == ".gguf"
    if root is None:
        return "never" if is_path and not path.is_absolute() else "after trust"
    places = [base / path for base in (Path.cwd(), root)]
    is_inside = any((is_path or os.path.lexists(one)) and is_below(one, root) for one in places)
    return "never" if is_inside else "after trust"


_LIMITS = SandboxSettings()
RULES: Mapping[str, Rule] = {
    "model": _model_outside,
    "device": _always,
    "seed": _always,
    "max_seconds": _always,
    "max_tokens": _always,
    "verify_repeats": _always,
    "guidance.method": _always,
    "guidance.agents": _always,
    "guidance.gamma": _always,
    "guidance.candidates": _always,
    "guidance.horizon": _always,
    "guidance.temperature": _always,
    "guidance.max_lines": _always,
    "sandbox.backend": _with_walls,
    "sandbox.python": _python_outside,
    "sandbox.image": _after_trust,
    "sandbox.runtime": _after_trust,
    "sandbox.dockerfile": _after_trust,
    "sandbox.setup": _after_trust,
    "sandbox.env": _after_trust,
    "sandbox.test_s": _at_most(_LIMITS.test_s),
    "sandbox.memory_mib": _at_most(_LIMITS.memory_mib),
    "github.label": _always,
    "github.bots": _always,
    "github.delivery": _always,
    "github.branch_prefix": _always,
    "github.identity": _always,
    "github.check_run": _always,
    "guard.allow": _after_trust,
}
"""What a repository's file may say, by setting; a value that is the default is always allowed."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a repository's file asks for that needs a person's word.

    ``files`` are the files that it points at, path to SHA-256; ``digest`` covers the folder, the
    whole section and the files.
    """

    root: Path
    values: Mapping[str, object]
    files: Mapping[str, str]
    digest: str


def settings_of(tree: Tree, overrides: Mapping[str, object], root: Path) -> Settings:
    """Settings from the pyproject.toml of the tree at ``root`` and the command line.

    Raises UsageError for what does not fit, for what no repository may choose, and for what a
    person has not consented to.
    """
    settings = load_settings(_text(tree), overrides)
    refuse_forbidden(settings, overrides, root)
    asked = _judged(settings, overrides, root, "after trust")
    if asked and not is_trusted(wants_of(tree, root)):
        raise UsageError(
            f"pyproject.toml sets {', '.join(asked)}, which counts only once you trust it; "
            "nothing was built or run",
            hint=f"look at it (--show shows it all), then: egbot trust {shlex.quote(str(root))}",
        )
    return settings


def refuse_forbidden(
    settings: Settings,
    named: Mapping[str, object],
    root: Path | None,
    where: str = "pyproject.toml",
) -> None:
    """Raise UsageError for what no repository's file may choose.

    ``named`` is what a person said, nested as Settings is. Without ``root`` (nothing is checked
    out yet) a relative path counts as one inside.
    """
    for key, value in _judged(settings, named, root, "never").items():
        what = "" if key == "sandbox.backend" else ", inside the repository or relative to it"
        raise UsageError(
            f"{where} sets {key} = {json.dumps(value)}{what}: a repository may not choose that",
            hint=f"take it out; who trusts the code says it on the command line ({_OPTIONS[key]}) "
            f"or in the workflow (input {key.replace('.', '-')})",
        )


def wants_of(tree: Tree, root: Path) -> Wants:
    """What the tree's pyproject.toml asks for. Raises UsageError as `settings_of` does."""
    text = _text(tree)
    settings = load_settings(text, {})
    refuse_forbidden(settings, {}, root)
    dockerfile = settings.sandbox.dockerfile
    context = build_context(tree, dockerfile) if dockerfile else {}
    files = {
        path: hashlib.sha256(b"%o " % file.mode + file.data).hexdigest()
        for path, file in sorted(context.items())
    }
    whole = [str(root), section(text), files]
    digest = hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()
    return Wants(root, _judged(settings, {}, root, "after trust"), files, digest)


def build_context(tree: Tree, dockerfile: str) -> Tree:
    """The files that a build of ``dockerfile`` can read: those of its folder."""
    folder, slash, _ = dockerfile.rpartition("/")
    return {path: file for path, file in tree.items() if path.startswith(folder + slash)}


# --- consent -----------------------------------------------------------------------------------


def is_trusted(wants: Wants) -> bool:
    """Has a person consented to exactly this? Raises UsageError for a store in the repository."""
    return given(wants.root) == wants.digest


def given(root: Path) -> str:
    """The digest that was consented to for the repository at ``root``, or ""."""
    try:
        return _mark(root).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""


def grant(wants: Wants) -> None:
    """Keep the consent. Raises SpaceError when it cannot be written."""
    mark = _mark(wants.root)
    try:
        mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.write_bytes(os.fsencode(f"{wants.digest}\n{wants.root}\n"))
    except OSError as error:
        raise SpaceError(
            f"{mark} cannot be written: {error.strerror}", hint="set EGBOT_STATE to another folder"
        ) from error


def revoke(root: Path) -> None:
    """Forget the consent for the repository at ``root``."""
    _mark(root).unlink(missing_ok=True)


def _mark(root: Path) -> Path:
    named = os.environ.get("EGBOT_STATE")
    folder = Path(named) if named else platformdirs.user_state_path("egbot")
    mark = folder.absolute() / "trust" / hashlib.sha256(os.fsencode(root)).hexdigest()
    if is_below(mark, root):
        raise UsageError(
            f"consent would be kept in {folder}, inside the repository that it is for",
            hint="set EGBOT_STATE to a folder outside",
        )
    return mark


# --- settings ----------------------------------------------------------------------------------


def _text(tree: Tree) -> str | None:
    file = tree.get("pyproject.toml")
    if file is not None and stat.S_ISLNK(file.mode):
        file = tree.get(posixpath.normpath(file.data.decode("utf-8", "replace")))
    return None if file is None else file.data.decode("utf-8-sig", "replace")


def _judged(
    settings: Settings, named: Mapping[str, object], root: Path | None, verdict: Verdict
) -> dict[str, object]:
    """The settings with this verdict that are no default and that nobody named."""
    values, defaults, said = (
        settings.model_dump(mode="json"),
        Settings().model_dump(mode="json"),
        {},
    )
    for key in known_keys():
        value = _at(values, key)
        if value in (_at(defaults, key), _at(named, key)) or RULES[key](value, root) != verdict:
            continue
        said[key] = value
    return said


def _at(values: object, key: str) -> object:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values
