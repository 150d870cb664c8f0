"""Owns what a lock file tells of what tests need.

It is a hint: read only where no dependency file says what the tests run with.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from egbot.execution.declared import TEST_NAMES, Declared, Lines, mapping


def from_uv_lock(path: str, text: str) -> Declared:
    """Read the versions that uv locked for the project's own and its tests' requirements.

    Raises ValueError when the text is no TOML.
    """
    packages = [one for one in _list(tomllib.loads(text).get("package")) if isinstance(one, dict)]
    versions: dict[str, set[str]] = {}
    for package in packages:
        versions.setdefault(str(package.get("name")), set()).add(str(package.get("version")))
    lines = Lines()
    for package in packages:
        source = mapping(package.get("source"))
        if "editable" not in source and "virtual" not in source:
            continue
        listed = [("", _list(package.get("dependencies")))]
        for key in ("optional-dependencies", "dev-dependencies"):
            groups = mapping(package.get(key))
            listed += [(name, _list(groups.get(name))) for name in TEST_NAMES]
        for name, found in listed:
            lines.add(name, filter(None, (_locked(mapping(one), versions) for one in found)))
    return Declared(path, tuple(lines.requirements), tuple(lines.spare))


def _locked(dependency: Mapping[str, object], versions: Mapping[str, set[str]]) -> str:
    name = dependency.get("name")
    if not isinstance(name, str) or "source" in dependency:
        return ""
    known = versions.get(name, set())
    pin = f"=={next(iter(known))}" if len(known) == 1 and "None" not in known else ""
    marker = dependency.get("marker")
    return f"{name}{pin}" + (f" ; {marker}" if isinstance(marker, str) else "")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
