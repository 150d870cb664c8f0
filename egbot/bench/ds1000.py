"""Turns a record of DS-1000 into a task: the snippet that is asked for becomes a function's body.

Format: Lai et al., "DS-1000" (arXiv 2211.11501): ``code_context`` defines ``test_execution`` and
sometimes ``test_string``, which judge the snippet. The set has no tests for the model; it is given
one that runs the function on the prompt's own example. It does not know how tasks are solved.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from egbot.bench.tasks import (
    JUDGE,
    SOLUTION,
    VISIBLE,
    BadRecordError,
    Function,
    Record,
    Task,
    docstring_lines,
    id_field,
    parsed,
    test_module,
    text_field,
    tree_of,
)

_CONTEXT = "judge_context.py"
_INSERT = "[insert]"
_AFTER = re.compile(r"^result = (\w+)$", re.MULTILINE)
_RESULT = re.compile(r"^[ \t]*(\w+)[ \t]*=[ \t]*\.\.\.[ \t]*#", re.MULTILINE)
_CODE = re.compile(r"<code>\n?(.*?)(?:</code>|\Z)", re.DOTALL)
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "skimage": "scikit-image"}
_JUDGE_TEXT = '''import ast
import pathlib
import textwrap

import judge_context

NAME, CALL, IS_INNER = {name!r}, {call!r}, {is_inner!r}


def snippet():
    """What was written, as the context wants it inserted."""
    body = ast.parse(pathlib.Path(__file__).with_name("solution.py").read_text()).body
    for node in body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SNIPPET":
            return ast.literal_eval(node.value)
    function = [one for one in body if isinstance(one, ast.FunctionDef) and one.name == NAME][-1]
    if ast.get_docstring(function) is not None:
        function.body = function.body[1:]
    if IS_INNER:
        return textwrap.indent("\\n".join(map(ast.unparse, function.body)), "    ")
    return ast.unparse(function) + "\\n" + CALL
'''
_JUDGE_TEST = "\n\ndef {test}():\n    judge_context.{judge}(snippet())\n"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the snippet becomes a function: its header's name and parameters, and its call.

    ``is_inner``: the context already has the header, and the snippet is the body alone.
    """

    name: str
    parameters: str
    arguments: tuple[str, ...]
    result: str
    is_inner: bool

    @property
    def call(self) -> str:
        """The code that uses the function in the context."""
        called = f"{self.name}({', '.join(self.arguments)})"
        return f"{self.result} = {called}" if self.result else called


def make_task(record: Record) -> Task:
    """Raises BadRecordError."""
    prompt = text_field(record, "prompt")
    context = text_field(record, "code_context")
    module = parsed(context, "code_context")
    before, after = _around_insert(module)
    shape = _shape(before, after, prompt)
    judges = _judge_names(module)
    judge = _JUDGE_TEXT.format(name=shape.name, call=shape.call, is_inner=shape.is_inner)
    judge += "".join(_JUDGE_TEST.format(test=f"test_{one}", judge=one) for one in judges)
    visible, names = _visible(prompt, shape)
    files = {
        SOLUTION: _stub(before, shape, prompt),
        VISIBLE: visible,
        "requirements.txt": _requirements(module, before),
    }
    code = text_field(record, "reference_code", default="")
    metadata = record.fields.get("metadata")
    inner = metadata if isinstance(metadata, Mapping) else {}
    named = Record(record.place, {**inner, **record.fields})
    return Task(
        task_id=id_field(named, "task_id", "problem_id"),
        place=record.place,
        work=Function(
            tree=tree_of(files),
            qualname=shape.name,
            visible=tuple(f"{VISIBLE}::{one}" for one in names),
            hidden=tree_of({JUDGE: judge, _CONTEXT: context}),
            judges=tuple(f"{JUDGE}::test_{one}" for one in judges),
            reference=_reference(code, shape.name) if code else None,
        ),
    )


def _judge_names(module: ast.Module) -> tuple[str, ...]:
    defined = {one.name for one in module.body if isinstance(one, ast.FunctionDef)}
    judges = tuple(one for one in ("test_execution", "test_string") if one in defined)
    if not judges:
        raise BadRecordError("code_context defines neither test_execution nor test_string")
    return judges


def _around_insert(module: ast.Module) -> tuple[str, str]:
    """The code of ``exec_context`` before and behind the place of the snippet."""
    for node in module.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
            and _INSERT in node.value.value
        ):
            before, _, after = node.value.value.partition(_INSERT)
            return before, after
    raise BadRecordError(f"code_context has no text with {_INSERT}")


def _shape(before: str, after: str, prompt: str) -> _Shape:
    last = before.rstrip().rpartition("\n")[2]
    if last.startswith("def ") and last.endswith(":"):
        function = parsed(f"{last}\n    pass", "exec_context").body[0]
        if isinstance(function, ast.FunctionDef):
            names = tuple(one.arg for one in function.args.args)
            return _Shape(function.name, ast.unparse(function.args), names, "", is_inner=True)
    names = _assigned(parsed(before, "exec_context"))
    result = _result(after, prompt)
    return _Shape("solve", ", ".join(names), names, result, is_inner=False)


def _result(after: str, prompt: str) -> str:
    """The variable that the snippet sets; "" for a plot, which sets none."""
    asked = _RESULT.search(prompt)
    taken = _AFTER.search(after)
    if taken is not None and taken.group(1) == "None":
        return ""
    found = asked or taken
    return found.group(1) if found else "result"


def _assigned(module: ast.Module) -> tuple[str, ...]:
    """The top-level variables, in order."""
    targets = [
        target for node in module.body if isinstance(node, ast.Assign) for target in node.targets
    ]
    names = [
        node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)
    ]
    return tuple(dict.fromkeys(names))


def _stub(before: str, shape: _Shape, prompt: str) -> str:
    text = prompt.partition("BEGIN SOLUTION")[0].replace("<code>", "").replace("</code>", "")
    text = text.rstrip().removesuffix("###").rstrip()
    if shape.result:
        text += f"\n\nReturn what {shape.result} is to be."
    imports = _imports(before)
    header = f"def {shape.name}({shape.parameters}):"
    return f"{imports}\n\n\n{header}\n{docstring_lines(text)}\n    raise NotImplementedError\n"


def _imports(before: str) -> str:
    head = before.rpartition("\ndef ")[0] or before
    try:
        body = ast.parse(head).body
    except (SyntaxError, ValueError):
        return ""
    return "\n".join(
        ast.unparse(one) for one in body if isinstance(one, ast.Import | ast.ImportFrom)
    )


def _visible(prompt: str, shape: _Shape) -> tuple[str, tuple[str, ...]]:
    """A test that runs the function on the example in the prompt's first code block."""
    found = _CODE.search(prompt)
    code = found.group(1) if found else prompt.partition("# SOLUTION START")[0]
    kept = []
    for line in code.split("\n"):
        if _RESULT.match(line) or line.startswith(f"def {shape.name}("):
            break
        kept.append(line)
    names = ", ".join(shape.arguments)
    if shape.is_inner and f"def {shape.name}(" in prompt:
        names = _defaults(prompt, shape.name) or names
    call = f"{shape.name}({names})"
    check = f"assert {call} is not None" if shape.result or shape.is_inner else call
    example = "\n".join(kept)
    try:
        ast.parse(example)
    except (SyntaxError, ValueError):
        example = ""
    return test_module(f"{example}\n\nfrom solution import {shape.name}", [check], "test")


def _defaults(prompt: str, name: str) -> str:
    """The names that the prompt's own header gives its parameters as defaults."""
    found = re.search(rf"^def {re.escape(name)}\((.*)\):", prompt, re.MULTILINE)
    if not found:
        return ""
    try:
        function = ast.parse(f"def {name}({found.group(1)}): pass").body[0]
    except (SyntaxError, ValueError):
        return ""
    if not isinstance(function, ast.FunctionDef):
        return ""
    return ", ".join(ast.unparse(one) for one in function.args.defaults)


def _requirements(module: ast.Module, before: str) -> str:
    """The distributions that the context imports, as far as their names are known."""
    roots: set[str] = set()
    for code in (module, ast.parse(_imports(before))):
        for node in ast.walk(code):
            if isinstance(node, ast.Import):
                roots |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.partition(".")[0])
    third = sorted(roots - sys.stdlib_module_names)
    return "".join(f"{_DISTRIBUTIONS.get(one, one)}\n" for one in third)


def _reference(code: str, name: str) -> bytes:
    """A solution.py that hands out the set's own snippet."""
    return f"SNIPPET = {code!r}\n\n\ndef {name}(*given, **named):\n    return True\n".encode()
