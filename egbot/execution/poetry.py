"""Owns the translation of poetry's dependency tables to PEP 508. It reads nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from packaging.version import InvalidVersion, Version


def poetry_lines(
    poetry: Mapping[str, object], groups: Iterable[str], ignored: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield the requirement lines of the main table ("") and of ``groups``; failures are named."""
    yield "", table_lines(_mapping(poetry.get("dependencies")), ignored)
    yield "dev", table_lines(_mapping(poetry.get("dev-dependencies")), ignored)
    named = _mapping(poetry.get("group"))
    for group in groups:
        table = _mapping(_mapping(named.get(group)).get("dependencies"))
        yield group, table_lines(table, ignored)


def poetry_python(poetry: Mapping[str, object], ignored: list[str]) -> str:
    """Return the range of Pythons as a PEP 440 specifier, or "" when it says none."""
    value = _mapping(poetry.get("dependencies")).get("python")
    return _specifier("python", value, ignored) if isinstance(value, str) else ""


def table_lines(table: Mapping[str, object], ignored: list[str]) -> list[str]:
    """Return the requirement lines of one table of dependencies."""
    lines = []
    for name, value in table.items():
        if name.lower() == "python":
            continue
        for choice in value if isinstance(value, list) else [value]:
            line = _line(name, choice, ignored)
            if line:
                lines.append(line)
    return lines


def _line(name: str, value: object, ignored: list[str]) -> str:
    if isinstance(value, str):
        return name + _specifier(name, value, ignored)
    details = _mapping(value)
    version = details.get("version")
    if not isinstance(version, str):
        ignored.append(f"{name}: a requirement from an address is not downloaded")
        return ""
    extras = details.get("extras")
    names = ",".join(map(str, extras)) if isinstance(extras, list) else ""
    line = name + (f"[{names}]" if names else "") + _specifier(name, version, ignored)
    markers = [str(details["markers"])] if "markers" in details else []
    python = details.get("python")
    if isinstance(python, str):
        ranges = [part for part in _specifier(name, python, ignored).split(",") if part]
        markers += [re.sub(r"^([<>=!~]+)(.*)$", r'python_version \1 "\2"', one) for one in ranges]
    return f"{line} ; {' and '.join(f'({one})' for one in markers)}" if markers else line


def _specifier(name: str, text: str, ignored: list[str]) -> str:
    """Translate ``^1.2``, ``~1.2``, ``1.*`` and plain versions (poetry's dependency syntax)."""
    if "|" in text:
        ignored.append(f"{name}: alternatives in {text!r} are not understood, any version is taken")
        return ""
    parts = []
    for raw in text.split(","):
        part = raw.strip()
        if part in ("", "*"):
            continue
        try:
            parts.append(_one(part))
        except InvalidVersion:
            ignored.append(f"{name}: {part!r} is not a version, any version is taken")
    return ",".join(parts)


def _one(part: str) -> str:
    if part.startswith("^"):
        low = Version(part[1:].strip())
        release = list(low.release)
        index = next((at for at, number in enumerate(release) if number), len(release) - 1)
        return f">={low},<{_bumped(release, index)}"
    if part.startswith("~") and not part.startswith("~="):
        low = Version(part[1:].strip())
        return f">={low},<{_bumped(list(low.release), min(1, len(low.release) - 1))}"
    if part[0].isdigit():
        return f"=={part}"
    return part.replace(" ", "")


def _bumped(release: list[int], index: int) -> str:
    return ".".join(map(str, [*release[:index], release[index] + 1]))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
