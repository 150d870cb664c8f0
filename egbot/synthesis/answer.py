"""Owns the shape of an answer: the header that is given, the body that the model writes.

It reads text as the model wrote it and never runs it. The model always writes in one canonical
form, four spaces a level with the class header above a method, whatever the file uses.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from textwrap import indent

from egbot.source.text import quietly

_UNIT = "    "
_FENCE = "```"
_OPEN_ENDED = ("was never closed", "unterminated triple-quoted", "unexpected EOF")


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands above the body: ``preamble`` ("" for a function) and ``header``.

    ``preamble`` is the method's class, its header and the members that help, four spaces a level.
    ``header`` is the dedented definition with its decorators and, where the person wrote one, its
    docstring. The opening ends without a newline: in many tokenizers a newline and the next
    line's indentation are one token, so a model that is given the newline alone would stop.
    """

    preamble: str
    header: str

    @property
    def base(self) -> str:
        """The indentation of the definition."""
        return _UNIT if self.preamble else ""

    @property
    def body_indent(self) -> str:
        """The indentation of the function's own statements."""
        return self.base + _UNIT

    @property
    def opening(self) -> str:
        """The text that the answer starts with."""
        own = indent(self.header, self.base)
        return f"{self.preamble}\n{own}" if self.preamble else own

    def code(self, body: str) -> str:
        """The dedented definition with ``body`` (as the model wrote it) below its header."""
        text = indent(self.header, self.base) + body
        # not dedent: inside brackets and strings a line may start left of the definition
        lines = [line.removeprefix(self.base).rstrip() for line in text.split("\n")]
        while lines and not lines[-1]:
            lines.pop()
        return "\n".join(lines) + "\n"


def make_frame(header: str, docstring: str, preamble: str) -> Frame:
    """The frame for a definition: ``header`` as `Definition.header` has it, docstring cleaned."""
    text = header.rstrip("\n")
    if docstring:
        quoted = docstring.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        closing = "\n" if "\n" in docstring or docstring.endswith('"') else ""
        body = indent(f'"""{quoted}{closing}"""', _UNIT, lambda line: bool(line.strip()))
        text = f"{text}\n{body}"
    return Frame(preamble, text)


def split_body(frame: Frame, text: str) -> tuple[str, bool]:
    """The part of ``text`` that belongs to the body, and whether the body has come to its end.

    The end is a line that is indented less than the body (outside of brackets and strings) or a
    code fence. ``text`` follows ``frame.opening`` directly.
    """
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number == 0 or not line.strip():
            continue
        if line.lstrip().startswith(_FENCE):
            return "\n".join(lines[:number]), True
        if not line.startswith(frame.body_indent):
            body = "\n".join(lines[:number])
            if not is_open(frame, body):
                return body, True
    return text, False


def is_open(frame: Frame, body: str) -> bool:
    """Whether a bracket or a triple-quoted string is still open at the end of ``body``."""
    try:
        parse_quietly(frame.code(body + "\n"))
    except SyntaxError as error:
        return any(sign in (error.msg or "") for sign in _OPEN_ENDED)
    except (ValueError, RecursionError, MemoryError):
        return False
    return False


def parse_quietly(code: str) -> ast.Module:
    """``ast.parse`` without its warnings: what a model writes is no news for the person.

    Raises SyntaxError, ValueError, and RecursionError or MemoryError for what is nested too deep.
    """
    with quietly():
        return ast.parse(code)


def count_lines(text: str) -> int:
    """How many lines with something on them ``text`` has completed."""
    return sum(1 for line in text.split("\n")[:-1] if line.strip())


def new_lines(before: str, after: str) -> str:
    """The lines that ``after`` has beyond the complete lines of ``before``, blank edges dropped.

    A token may hold a newline and the next line's indentation, so ``before`` can end within a line.
    """
    start = before.rfind("\n") + 1
    lines = [line.rstrip() for line in after[start:].split("\n")]
    return "\n".join(lines).strip("\n")
