"""Owns the perfect model: it answers with the body that a package's function had before.

It stands in for the language model, so that all the rest is judged. It knows one function and
nothing of how that is found; asked for another one, it answers nothing useful.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from egbot.progress import Progress, TargetStarted
from egbot.records import Outcome, Prompt, Target
from egbot.source.outline import find
from egbot.testing import Script, ScriptedDecoder

_USELESS = "\n    raise NotImplementedError\n"
_KINDS = frozenset(["property", "cached_property", "classmethod", "staticmethod", "abstractmethod"])
"""Decorators that say what a function is to its class; egbot's own header says that."""
_UNFIT = r"\b{}\(\) (takes|got|missing) "
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Oracle:
    """The function ``name`` (PATH::QUALNAME) as it stands in ``source``, its file."""

    name: str
    source: bytes
    target: Target | None = None

    def report(self, event: Progress) -> None:
        """Take an event of the pipeline: it says which function is asked for."""
        if isinstance(event, TargetStarted):
            self.target = event.target

    def decoder(self) -> ScriptedDecoder:
        """A model that writes this function."""
        return ScriptedDecoder(lambda prompt, _: Script(self._answer(prompt)))

    def _answer(self, prompt: Prompt) -> str:
        target = self.target
        if target is None or f"{target.path}::{target.qualname}" != self.name:
            return _USELESS
        definition = find(self.source, target.qualname)
        written = _function(definition.code if definition else "")
        asked = _function(f"{target.header} pass")
        if written is None or asked is None:
            return _USELESS
        body = _body(written, asked)
        docstring = ast.get_docstring(written, clean=False)
        if docstring is not None and target.origin.startswith("missing"):
            body.insert(0, ast.Expr(ast.Constant(docstring)))
        openings = re.findall(
            rf"^( *)(?:async )?def {asked.name}\b", prompt.response_prefix, re.MULTILINE
        )
        return _below(asked, body, openings[-1] if openings else "")


def signature_fits(outcome: Outcome) -> bool:
    """Whether the header took every call that was made of it while it was written."""
    if outcome.target is None:
        return False
    unfit = re.compile(_UNFIT.format(re.escape(outcome.target.qualname.rpartition(".")[2])))
    faults = (
        run.fault
        for attempt in outcome.attempts
        for line in attempt.lines
        for candidate in line.candidates
        for run in candidate.executions
    )
    return not any(
        one and one.type_name == "TypeError" and unfit.search(one.message) for one in faults
    )


# --- the answer ----------------------------------------------------------------------------------


def _function(code: str) -> _Function | None:
    node = next(iter(ast.parse(code).body), None)
    return node if isinstance(node, _Function) else None


def _below(asked: _Function, body: list[ast.stmt], indent: str) -> str:
    """``body`` as it is written below the header; strings of many lines keep theirs."""
    module = ast.parse("class _:\n    pass") if indent else ast.Module([], [])
    place = module.body[0].body if indent else module.body  # type: ignore[attr-defined]
    place[:] = [asked]
    asked.body = [ast.Pass()]
    num_above = len(ast.unparse(module).split("\n")) - 1
    asked.body = body
    ast.fix_missing_locations(module)
    return "\n" + "\n".join(ast.unparse(module).split("\n")[num_above:]) + "\n"


def _body(written: _Function, asked: _Function) -> list[ast.stmt]:
    """The statements that do in ``asked`` what ``written`` did.

    Where its parameters have other names or defaults, or it had decorators, the whole old
    function stands inside the new one, which calls it.
    """
    has_docstring = ast.get_docstring(written) is not None
    body = written.body[1:] if has_docstring else list(written.body)
    own = [one for one in written.decorator_list if _last_name(one) not in _KINDS]
    kept = {ast.dump(one) for one in asked.decorator_list}
    added = [one for one in own if ast.dump(one) not in kept]
    is_same = _shape(written.args) == _shape(asked.args) and type(written) is type(asked)
    if is_same and not added:
        return body or [ast.Pass()]
    for node in ast.walk(written):  # its own class method may be a plain method by now
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"cls.{written.name}":
            node.func = ast.Name(written.name)
            node.args.insert(0, ast.Name("cls"))
    inner = type(written)(written.name, written.args, body or [ast.Pass()], added, lineno=0)
    call = f"{written.name}({', '.join(_arguments(written, asked))})"
    end = f"return {call}"
    if isinstance(asked, ast.AsyncFunctionDef) and isinstance(written, ast.AsyncFunctionDef):
        is_generator = any(isinstance(one, ast.Yield) for one in ast.walk(written))
        end = f"async for _one in {call}: yield _one" if is_generator else f"return await {call}"
        end = f"async def _():\n {end}"
        return [inner, *ast.parse(end).body[0].body]  # type: ignore[attr-defined]
    return [inner, ast.Return(ast.parse(call, mode="eval").body)]


def _shape(args: ast.arguments) -> str:
    """The parameters without their annotations."""
    bare = ast.parse(f"def f({ast.unparse(args)}): pass").body[0]
    for node in ast.walk(bare):
        if isinstance(node, ast.arg):
            node.annotation = None
    return ast.dump(bare)


def _arguments(written: _Function, asked: _Function) -> list[str]:
    """What ``asked`` hands on: by place, and by name what is named so or can be left out."""
    old, new = written.args, asked.args
    names = [one.arg for one in (*old.posonlyargs, *old.args)]
    optional = dict(zip(reversed(names), reversed(old.defaults), strict=False))
    optional |= {
        one.arg: value for one, value in zip(old.kwonlyargs, old.kw_defaults, strict=True) if value
    }
    positional = [*new.posonlyargs, *new.args]
    is_bound = [one.arg for one in positional[:1]] in (["self"], ["cls"])
    defaults = [None] * (len(positional) - len(new.defaults)) + list(new.defaults)
    by_place, by_name = [], []
    was_bound = names[:1] in (["self"], ["cls"])
    if was_bound and not is_bound:
        by_place.append("__class__")
    if is_bound and not was_bound:
        positional, defaults = positional[1:], defaults[1:]
    if is_bound and names[:1] == ["cls"] and positional[0].arg == "self":
        by_place.append("type(self)")
        positional, defaults = positional[1:], defaults[1:]
    for place, (one, value) in enumerate(zip(positional, defaults, strict=True), len(by_place)):
        is_named = one.arg in {*names[place:], *(each.arg for each in old.kwonlyargs)}
        if value is None or (place < len(names) and not is_named):
            known = optional.get(names[place]) if place < len(names) else None
            by_place.append(_chosen(one.arg, value, known))
        elif is_named:
            by_name.append(f"{one.arg}={_chosen(one.arg, value, optional.get(one.arg))}")
        else:
            by_place.append(f"*([] if {one.arg} is {ast.unparse(value)} else [{one.arg}])")
    by_place += [f"*{new.vararg.arg}"] if new.vararg else []
    for one, value in zip(new.kwonlyargs, new.kw_defaults, strict=True):
        by_name.append(f"{one.arg}={_chosen(one.arg, value, optional.get(one.arg))}")
    by_name += [f"**{new.kwarg.arg}"] if new.kwarg else []
    return [*by_place, *by_name]


def _chosen(name: str, value: ast.expr | None, known: ast.expr | None) -> str:
    """A parameter, or the old default in place of another new one."""
    if value is None or known is None or ast.dump(value) == ast.dump(known):
        return name
    return f"{ast.unparse(known)} if {name} is {ast.unparse(value)} else {name}"


def _last_name(decorator: ast.expr) -> str:
    return ast.unparse(decorator).partition("(")[0].rpartition(".")[2]
