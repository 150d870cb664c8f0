"""Owns the text of stubs: definitions of functions, classes and constants that are still to be written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from egbot.source.signatures import Parameter, Signature

UNWRITTEN = "raise NotImplementedError"
_MAX_HEADER_CHARS = 96  # a method's indentation comes on top
_INDENT = "    "


def function_code(signature: Signature, docstring: str, body: str = UNWRITTEN) -> str:
    """The source of a definition with ``docstring`` and ``body``; a docstring alone is enough."""
    is_marked = signature.binding in {"property", "classmethod", "staticmethod"}
    head = [f"@{signature.binding}"] if is_marked else []
    lines = [*(quoted(docstring) if docstring else ()), *(body.split("\n") if body else ())]
    return "\n".join([*head, header(signature), *indented(lines)]) + "\n"


def header(signature: Signature) -> str:
    """The ``def`` line of ``signature`` with its colon; a long one has a line per parameter."""
    first = {"function": (), "staticmethod": (), "classmethod": ("cls",)}
    parts = [*first.get(signature.binding, ("self",)), *_parameter_texts(signature.parameters)]
    returns = f" -> {signature.returns}" if signature.returns else ""
    word = "async def" if signature.is_async else "def"
    line = f"{word} {signature.name}({', '.join(parts)}){returns}:"
    if len(line) <= _MAX_HEADER_CHARS:
        return line
    listed = "".join(f"{_INDENT}{part},\n" for part in parts)
    return f"{word} {signature.name}(\n{listed}){returns}:"


def class_code(
    name: str,
    docstring: str,
    *,
    base: str = "",
    decorator: str = "",
    attributes: Iterable[str] = (),
    members: Iterable[str] = (),
) -> str:
    """A class with lines of ``attributes`` and the whole texts of its ``members``."""
    lines = quoted(docstring)
    listed = list(attributes)
    lines += ["", *listed] if listed else []
    for text in members:
        lines += ["", *text.rstrip("\n").split("\n")]
    head = [f"@{decorator}"] if decorator else []
    head.append(f"class {name}({base}):" if base else f"class {name}:")
    return "\n".join([*head, *indented(lines)]) + "\n"


def summary(name: str, owner: str = "") -> str:
    """A docstring's first line, made of the name; ``owner`` is a method's class."""
    if name == "__init__":
        return f"Make a new {owner.rpartition('.')[2]}."
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("_", " "))
    words = " ".join(
        word if len(word) > 1 and word.isupper() else word.lower() for word in words.split()
    )
    return f"{words[:1].upper()}{words[1:]}." if words else "Return what the tests ask for."


def quoted(text: str) -> list[str]:
    """The lines of a docstring literal whose value is ``text``, but for unprintable characters."""
    shown = "".join(
        char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text
    )
    safe = shown.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = safe.split("\n")
    if len(lines) == 1:
        return [f'"""{safe[:-1]}\\""""' if safe.endswith('"') else f'"""{safe}"""']
    return [f'"""{lines[0]}', *lines[1:], '"""']


def indented(lines: Iterable[str]) -> list[str]:
    """``lines`` one level deeper; empty ones stay empty."""
    return [f"{_INDENT}{line}" if line else "" for line in lines]


def _parameter_texts(parameters: tuple[Parameter, ...]) -> list[str]:
    texts = []
    is_starred = False
    for parameter in parameters:
        if parameter.kind == "keyword_only" and not is_starred:
            texts.append("*")
        is_starred = is_starred or parameter.kind in ("star", "keyword_only")
        stars = {"star": "*", "double_star": "**"}.get(parameter.kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation else ""
        equals = " = " if annotation else "="
        default = f"{equals}{parameter.default}" if parameter.default else ""
        texts.append(f"{stars}{parameter.name}{annotation}{default}")
    return texts
