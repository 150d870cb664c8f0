"""Owns the guess at a missing function's signature: every call that the code makes must bind to it.

It knows nothing of how stubs are written or where they go.
"""

from __future__ import annotations

import ast
import builtins
import keyword
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from egbot.source.calls import Shape, Use, shapes, uses
from egbot.source.examples import Example, Key, examples
from egbot.source.kinds import common_annotation, kind_name
from egbot.source.scopes import ALTERNATIVE_CONSTRUCTORS
from egbot.source.symbols import Code
from egbot.source.tables import last_name

Binding = Literal["function", "method", "classmethod", "staticmethod", "property"]
_POOR_NAMES = frozenset({"self", "cls", "expected", "result", "_", "actual", "want", "exp"})
_PLAIN_TYPES = frozenset({"str", "int", "float", "bool", "bytes", "list", "dict", "tuple", "set"})
_NOTES = {
    "with": "The result is used as a context manager (`with`).",
    "async with": "The result is used as an asynchronous context manager (`async with`).",
    "for": "The result is iterated over.",
    "async for": "The result is an asynchronous iterator.",
    "decorator": "The result is used as a decorator.",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``default`` and ``annotation`` are source text, "" for none."""

    name: str
    kind: Literal["plain", "keyword_only", "star", "double_star"]
    default: str = ""
    annotation: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's signature without ``self``; ``notes`` are sentences about how it is used."""

    name: str
    parameters: tuple[Parameter, ...]
    binding: Binding = "function"
    returns: str = ""
    is_async: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the code shows of one name."""

    uses: tuple[Use, ...]
    examples: tuple[Example, ...]
    shapes: tuple[Shape, ...]


NO_EVIDENCE = Evidence((), (), ())


def gather(code: Code, key: Key) -> Evidence:
    """Collect the uses and examples of ``key`` in the whole tree."""
    called = (key[0], key[1].removesuffix(".__init__"))
    found = uses(code, called)
    given = examples(code, key)
    return Evidence(found, given, shapes(found, given))


def infer_signature(key: Key, evidence: Evidence) -> Signature:
    """The narrowest signature to which every call in ``evidence`` binds."""
    name = key[1].rpartition(".")[2]
    binding = _binding(key, evidence)
    parameters = () if binding == "property" else _parameters(evidence)
    return Signature(
        name=name,
        parameters=parameters,
        binding=binding,
        returns="None" if name == "__init__" else _returns(key, evidence, binding),
        is_async=any(use.awaited for use in evidence.uses) and name != "__init__",
        notes=_notes(evidence.uses),
    )


def looks_like(key: Key, evidence: Evidence) -> Literal["function", "class", "exception", "value"]:
    """What a missing name must be, from its spelling and its uses."""
    name = key[1].rpartition(".")[2]
    roles = {use.role for use in evidence.uses}
    if "raised" in roles or (name.endswith(("Error", "Exception")) and name[:1].isupper()):
        return "exception"
    if "base" in roles or (name[:1].isupper() and ("call" in roles or not name.isupper())):
        return "class"
    if roles & {"call", "decorator", "passed"} or evidence.shapes:
        return "function"
    # a name that is only imported says nothing; its spelling alone tells constants apart
    return "value" if name.isupper() or "value" in roles else "function"


def _binding(key: Key, evidence: Evidence) -> Binding:
    if "." not in key[1]:
        return "function"
    name = key[1].rpartition(".")[2]
    roles = {use.role for use in evidence.uses}
    if name.startswith("__") or not evidence.uses:
        return "method"
    if roles == {"value"}:
        return "property"
    receivers = {use.receiver for use in evidence.uses if use.role != "value"}
    if receivers != {"class"}:
        return "method"
    if name.startswith(ALTERNATIVE_CONSTRUCTORS) or _makes_own(key, evidence.examples):
        return "classmethod"
    return "staticmethod"


def _makes_own(key: Key, given: tuple[Example, ...]) -> bool:
    owner = key[1].rpartition(".")[0].rpartition(".")[2]
    return any(
        isinstance(example.expected, ast.Call) and last_name(example.expected.func) == owner
        for example in given
    )


def _notes(found: tuple[Use, ...]) -> tuple[str, ...]:
    seen = dict.fromkeys(use.consumed for use in found if use.consumed and use.role == "call")
    notes = [_NOTES[consumed] for consumed in seen]
    if any(use.role == "decorator" for use in found):
        notes.append("It is used as a decorator.")
    return tuple(notes)


# --- parameters -------------------------------------------------------------------------------


def _parameters(evidence: Evidence) -> tuple[Parameter, ...]:
    made = evidence.shapes or _assumed(evidence.uses)
    is_open = any(shape.open_positional for shape in made)
    width = max((len(shape.positional) for shape in made), default=0)
    by_place = {} if is_open else _keywords_by_place(made, width)
    names = _positional_names(evidence.uses, made, width, by_place)
    parameters: list[Parameter] = []
    optional = False
    for place, name in enumerate(names):
        optional = optional or not all(_fills(shape, place, name) for shape in made)
        parameters.append(_parameter(name, made, "plain", place, optional=optional))
    if is_open:
        star = _unused("args", {*names, *_keyword_names(made)})
        parameters.append(Parameter(star, "star"))
    for name in _keyword_names(made):
        if name not in names:
            needed = all(_fills(shape, None, name) for shape in made)
            parameters.append(_parameter(name, made, "keyword_only", None, optional=not needed))
    if any(shape.open_keywords for shape in made):
        rest = _unused("kwargs", {parameter.name for parameter in parameters})
        parameters.append(Parameter(rest, "double_star"))
    return tuple(parameters)


def _assumed(found: tuple[Use, ...]) -> tuple[Shape, ...]:
    """A function that is only handed to another one (a key, a callback) takes one argument."""
    if any(use.role == "passed" for use in found):
        value = ast.Name("value", ast.Load())
        return (Shape((value,), (), open_positional=False, open_keywords=False),)
    return ()


def _parameter(
    name: str,
    made: tuple[Shape, ...],
    kind: Literal["plain", "keyword_only"],
    place: int | None,
    *,
    optional: bool,
) -> Parameter:
    annotation = common_annotation(_arguments(made, place, name))
    if optional and annotation and not annotation.endswith("None"):
        annotation = f"{annotation} | None"
    return Parameter(name, kind, "None" if optional else "", annotation)


def _arguments(made: tuple[Shape, ...], place: int | None, name: str) -> list[ast.expr]:
    found = []
    for shape in (shape for shape in made if not shape.is_unrolled):
        if place is not None and place < len(shape.positional):
            found.append(shape.positional[place])
        found.extend(value for given, value in shape.keywords if given == name)
    return found


def _fills(shape: Shape, place: int | None, name: str) -> bool:
    if place is not None and place < len(shape.positional):
        return True
    return any(given == name for given, _ in shape.keywords)


def _keyword_names(made: tuple[Shape, ...]) -> list[str]:
    names = dict.fromkeys(name for shape in made for name, _ in shape.keywords)
    return [name for name in names if name.isidentifier() and not keyword.iskeyword(name)]


def _keywords_by_place(made: tuple[Shape, ...], width: int) -> dict[int, str]:
    """Keywords that stand for a positional parameter: never together with it, of the same kind."""
    found: dict[int, str] = {}
    for place in range(width):
        for name in _keyword_names(made):
            with_name = [s for s in made if any(given == name for given, _ in s.keywords)]
            widths = {len(shape.positional) for shape in with_name}
            fits = name not in found.values() and max(widths) <= place
            if fits and _same_kind(made, place, name):
                found[place] = name
                break
    return found


def _same_kind(made: tuple[Shape, ...], place: int, name: str) -> bool:
    by_place = {kind_name(s.positional[place]) for s in made if place < len(s.positional)}
    by_name = {kind_name(value) for s in made for given, value in s.keywords if given == name}
    return not (by_place - {"", "none"}) or not (by_name - {"", "none"}) or bool(by_place & by_name)


def _positional_names(
    found: tuple[Use, ...], made: tuple[Shape, ...], width: int, by_place: dict[int, str]
) -> list[str]:
    names: list[str] = []
    taken = set(_keyword_names(made))
    for place in range(width):
        if place in by_place:
            names.append(by_place[place])
            continue
        wanted = _wanted_name(found, made, place)
        name = _unused(wanted, taken | set(names))
        names.append(name)
    return names


def _wanted_name(found: tuple[Use, ...], made: tuple[Shape, ...], place: int) -> str:
    if any(use.role == "decorator" for use in found) and place == 0:
        return "function"
    written = [use.call.args for use in found if use.call is not None]
    hints = Counter(
        hint
        for arguments in written
        if place < len(arguments)
        and not any(isinstance(item, ast.Starred) for item in arguments[: place + 1])
        and (hint := _hint(arguments[place]))
    )
    if hints:
        return max(hints, key=lambda hint: (hints[hint], -list(hints).index(hint)))
    kinds = Counter(kind_name(s.positional[place]) for s in made if place < len(s.positional))
    kinds.pop("none", None)
    return _KIND_NAMES.get(kinds.most_common(1)[0][0] if kinds else "", "value")


_KIND_NAMES = {
    "str": "text",
    "int": "number",
    "float": "number",
    "bool": "flag",
    "bytes": "data",
    "list": "items",
    "tuple": "items",
    "set": "items",
    "dict": "mapping",
    "callable": "function",
}


def _hint(node: ast.expr) -> str:
    name = last_name(node).lstrip("_").lower()
    if isinstance(node, ast.Call) and not last_name(node.func).startswith("_"):
        made = last_name(node.func)
        name = made.lower() if made[:1].isupper() and len(made) > 1 else ""
    if not name.isidentifier() or not name.isascii() or name in _POOR_NAMES:
        return ""
    return "" if keyword.iskeyword(name) or hasattr(builtins, name) else name


def _unused(name: str, taken: Iterable[str]) -> str:
    taken = set(taken)
    choices: list[Callable[[int], str]] = [
        lambda _: name,
        lambda _: f"other_{name}",
        lambda number: f"{name}_{number}",
    ]
    for number in range(1, len(taken) + 4):
        choice = choices[min(number, 3) - 1](number)
        if choice not in taken:
            return choice
    return f"{name}_{len(taken) + 4}"


def _returns(key: Key, evidence: Evidence, binding: Binding) -> str:
    told = _expected_type(evidence.examples) or _checked_type(key, evidence.uses)
    name = key[1].rpartition(".")[2]
    if told or binding != "classmethod" or not name.startswith(ALTERNATIVE_CONSTRUCTORS):
        return told
    return f'"{key[1].rpartition(".")[0]}"'


def _checked_type(key: Key, found: tuple[Use, ...]) -> str:
    """The class that every ``isinstance`` of a result agrees on: built in, or of the same file."""
    names = {(use, item.name) for use in found for item in use.results if item.kind == "isinstance"}
    types = {_type_name(key, use, name) for use, name in names}
    return types.pop() if len(types) == 1 else ""


def _type_name(key: Key, use: Use, text: str) -> str:
    if text in _PLAIN_TYPES:
        return text
    node = ast.parse(text, mode="eval").body
    symbol = use.scope.resolve(node) if use.scope is not None else None
    if symbol is None or symbol.path != key[0] or symbol.kind not in {"class", "missing"}:
        return ""
    return f'"{symbol.qualname}"'


def _expected_type(given: tuple[Example, ...]) -> str:
    exact = [example for example in given if example.exact]
    if any(example.relation in {"true", "false"} for example in exact):
        return ""
    expected = [e.expected for e in exact if e.relation == "equal" and e.expected is not None]
    if expected:
        return common_annotation(expected)
    return "float" if any(example.relation == "approx" for example in exact) else ""
