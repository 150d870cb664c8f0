"""Owns the text of stubs: a missing function's or class's definition, made of what tests show.

It knows nothing of files; where a stub goes is decided elsewhere.
"""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass

from egbot.source.examples import Example, Key
from egbot.source.members import Member, members
from egbot.source.signatures import (
    Evidence,
    Parameter,
    Signature,
    gather,
    infer_signature,
    looks_like,
)
from egbot.source.symbols import Code
from egbot.source.tables import literal, unparse

MAX_EXAMPLES = 6
_MAX_EXAMPLE_CHARS = 200
_MAX_HEADER_CHARS = 96  # a method's indentation comes on top
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Stub:
    """What to write for something missing.

    ``functions`` are qualnames, each with the source of its stub. An exception class has none:
    it is complete as ``exception`` stands.
    """

    functions: tuple[tuple[str, str], ...]
    exception: str = ""


def missing_stub(code: Code, key: Key) -> Stub | None:
    """The stub for the missing ``key``, or None when it must be a constant."""
    evidence = gather(code, key)
    if "." in key[1]:
        return function_stub(code, key, evidence)
    kind = looks_like(key, evidence)
    if kind == "value":
        return None
    if kind == "function":
        return function_stub(code, key, evidence)
    if kind == "exception":
        return Stub((), f'class {key[1]}(Exception):\n{_INDENT}"""{summary(key[1], key[1])}"""\n')
    return class_stub(code, key, evidence)


def function_stub(code: Code, key: Key, evidence: Evidence) -> Stub:
    """A function or method that raises NotImplementedError, with examples in its docstring."""
    signature = infer_signature(key, evidence)
    docstring = stub_docstring(code, key, signature, evidence.examples)
    return Stub(((key[1], stub_code(signature, docstring)),))


def stub_code(signature: Signature, docstring: str, body: str = "raise NotImplementedError") -> str:
    """The source of a definition with ``docstring`` and ``body``; a docstring alone is enough."""
    lines = []
    if signature.binding in {"property", "classmethod", "staticmethod"}:
        lines.append(f"@{signature.binding}")
    lines.extend(header(signature).split("\n"))
    lines.extend(indented(quoted(docstring)) if docstring else ())
    lines.extend(indented(body.split("\n")) if body else ())
    return "\n".join(lines) + "\n"


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


def stub_docstring(code: Code, key: Key, signature: Signature, given: tuple[Example, ...]) -> str:
    """A summary made of the name, how it is used, and examples in doctest style."""
    blocks = [summary(signature.name, key[1])]
    if signature.notes:
        blocks.append("\n".join(signature.notes))
    shown = example_lines(code, key, given)
    if shown:
        blocks.append("\n".join(shown[:MAX_EXAMPLES]))
    return "\n\n".join(blocks)


def example_lines(code: Code, key: Key, given: tuple[Example, ...]) -> list[str]:
    """Doctest examples, two lines or more each, without repeats and without local names."""
    found: dict[str, None] = {}
    for example in given:
        if example.relation == "called" or not _is_self_contained(code, example):
            continue
        text = _doctest(key, example)
        if text and len(text) <= _MAX_EXAMPLE_CHARS:
            found.setdefault(text)
    return list(found)


def plain_text(key: Key, example: Example) -> str:
    """The example's subject with a plain function called by its own name alone."""
    text = unparse(example.subject)
    if "." in key[1] or not isinstance(example.call, ast.Call):
        return text
    return text.replace(f"{unparse(example.call.func)}(", f"{key[1]}(")


def class_stub(code: Code, key: Key, evidence: Evidence) -> Stub:
    """The methods that the code uses of a missing class, each a stub of its own."""
    functions = []
    for member in _class_members(code, key, evidence):
        text = stub_code(member.signature, _member_docstring(code, key, member))
        functions.append((f"{key[1]}.{member.signature.name}", text))
    return Stub(tuple(functions))


def _class_members(code: Code, key: Key, evidence: Evidence) -> list[Member]:
    found = list(members(code, key))
    attributes = [item.signature.name for item in found if item.signature.binding == "property"]
    takes_nothing = not any(shape.positional or shape.keywords for shape in evidence.shapes)
    if takes_nothing and found and all(item.signature.binding != "method" for item in found):
        # nothing is passed in and no methods share state: the class needs no __init__
        return found
    signature = infer_signature((key[0], f"{key[1]}.__init__"), evidence)
    notes = (f"Sets the attributes {', '.join(attributes)}.",) if attributes else ()
    init = Signature(signature.name, signature.parameters, "method", "None", notes=notes)
    return [Member(init), *(item for item in found if item.signature.name not in attributes)]


def _member_docstring(code: Code, key: Key, member: Member) -> str:
    inner = (key[0], f"{key[1]}.{member.signature.name}")
    if member.signature.name.startswith("__") and member.signature.name != "__init__":
        return ""
    return stub_docstring(code, inner, member.signature, member.evidence.examples)


def summary(name: str, qualname: str) -> str:
    """A docstring's first line, made of the name."""
    if name == "__init__":
        return f"Make a new {qualname.rpartition('.')[0].rpartition('.')[2]}."
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.replace("_", " "))
    words = " ".join(
        word if len(word) > 1 and word.isupper() else word.lower() for word in words.split()
    )
    return f"{words[:1].upper()}{words[1:]}." if words else "Return what the tests ask for."


def _doctest(key: Key, example: Example) -> str:
    subject = plain_text(key, example)
    if not subject or "\n" in subject:
        return ""
    expected = unparse(example.expected) if example.expected is not None else ""
    if example.relation == "raises":
        return f">>> {subject}\nTraceback (most recent call last):\n    ...\n{expected}"
    if example.relation in {"true", "false"}:
        shown = subject if isinstance(example.subject, ast.Compare) else f"bool({subject})"
        return f">>> {shown}\n{example.relation.title()}"
    if example.relation == "approx":
        value = example.expected
        if isinstance(value, ast.Call) and value.args:
            expected = unparse(value.args[0])
        return f">>> {subject}  # approximately\n{expected}"
    if expected == "None":
        return f">>> {subject} is None\nTrue"
    if not literal(example.expected):
        return f">>> {subject} == {expected}\nTrue"
    return f">>> {subject}\n{expected}"


def _is_self_contained(code: Code, example: Example) -> bool:
    """Whether all its names can be imported or are built in, so that the line stands alone."""
    known = code.bindings(example.path)
    inner: set[str] = set()
    names: set[str] = set()
    for root in (example.subject, example.expected):
        for part in ast.walk(root) if root is not None else ():
            if isinstance(part, ast.Name):
                (names if isinstance(part.ctx, ast.Load) else inner).add(part.id)
            elif isinstance(part, ast.arg):
                inner.add(part.arg)
    return all(name in known or hasattr(builtins, name) for name in names - inner)


def _parameter_texts(parameters: tuple[Parameter, ...]) -> list[str]:
    texts = []
    starred = False
    for parameter in parameters:
        starred = starred or parameter.kind == "star"
        if parameter.kind == "keyword_only" and not starred:
            texts.append("*")
            starred = True
        stars = {"star": "*", "double_star": "**"}.get(parameter.kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation else ""
        default = ""
        if parameter.default:
            default = f" = {parameter.default}" if annotation else f"={parameter.default}"
        texts.append(f"{stars}{parameter.name}{annotation}{default}")
    return texts


def quoted(text: str) -> list[str]:
    """The lines of a docstring literal whose value is ``text``."""
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = safe.split("\n")
    if len(lines) == 1:
        return [f'"""{safe}"""']
    return [f'"""{lines[0]}', *lines[1:], '"""']


def indented(lines: list[str]) -> list[str]:
    """``lines`` one level deeper; empty ones stay empty."""
    return [f"{_INDENT}{line}" if line else "" for line in lines]
