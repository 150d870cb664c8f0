"""Owns values out of a repository's settings files, which may have any shape, or be no settings."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from contextlib import suppress
from typing import TypeVar

from egbot.records import Tree

MAX_FILE_BYTES = 1024 * 1024
_Kind = TypeVar("_Kind", str, list[object], dict[str, object])


def text_of(tree: Tree, path: str, errors: str = "strict") -> str:
    """The text of a file that is small and no link. Raises KeyError, ValueError."""
    file = tree[path]
    if file.mode == 0o120000:
        raise ValueError("it is a link")
    if len(file.data) > MAX_FILE_BYTES:
        raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
    return file.data.decode("utf-8-sig", errors)


def text_or_empty(tree: Tree, path: str) -> str:
    """The text of a file, "" where there is none that can be read."""
    with suppress(KeyError, ValueError):
        return text_of(tree, path, "replace")
    return ""


def read_ini(content: str) -> dict[str, dict[str, str]]:
    """The sections of an INI file as setuptools and tox read it. Raises ValueError."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(content)
    except configparser.Error as error:
        raise ValueError(str(error)) from error
    return {name: dict(section) for name, section in parser.items()}


def only(kind: type[_Kind], value: object) -> _Kind:
    """``value`` where it is of that kind, else an empty one."""
    return value if isinstance(value, kind) else kind()


def table(document: Mapping[str, object], *names: str) -> Mapping[str, object]:
    """The table below ``names``; an empty one where there is none."""
    for name in names:
        document = only(dict, document.get(name))
    return document


def tables(value: object) -> list[dict[str, object]]:
    """The tables of a list; nothing for other values."""
    return [one for one in only(list, value) if isinstance(one, dict)]


def strings(value: object) -> list[str]:
    """The texts of a list, or the lines of a text without comments; nothing for other values."""
    if isinstance(value, str):
        lines = map(str.strip, value.splitlines())
        return [line for line in lines if line and not line.startswith("#")]
    several = value if isinstance(value, list | tuple | set) else ()
    return [item for item in several if isinstance(item, str)]
