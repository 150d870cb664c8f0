"""What a file defines is what Python makes of it, and one answer says which functions are stubs."""

from __future__ import annotations

import ast

import pytest

from egbot.records import StubPlace
from egbot.source.outline import (
    definitions,
    find,
    is_stub,
    read_outline,
    refuses,
    stub_places,
)
from tests.source.library import codes, compiled, library


def test_every_definition_of_the_library_is_found_where_python_has_it() -> None:
    for path in library():
        data = path.read_bytes()
        code = compiled(data)
        if code is None or b"global " in data:  # which gives an inner function an outer one's name
            continue
        outline = read_outline(data)
        found = [
            (site.qualname, min(n.lineno for n in (site.node, *site.node.decorator_list)))
            for site in (*outline.functions, *outline.classes)
        ]
        theirs = [(one.co_qualname, one.co_firstlineno) for one in codes(code)]
        assert sorted(found) == sorted(theirs), path


def _code(source: str, qualname: str, ordinal: int | None = None) -> str | None:
    found = find(source.encode(), qualname, ordinal)
    return found.code if found else None


ACCESSORS = (
    "class A:\n    @property\n    def x(self): return 1\n"
    "    @x.setter\n    def x(self, v): pass\n    @x.deleter\n    def x(self): return 3\n"
)
BRANCHES = (
    "try:\n    import x\nexcept* E:\n    def f(): return 0\nelse:\n    if x:\n        def f(): return 1\n"
    "for a in b:\n    with c:\n        def f(): return 2\nmatch d:\n    case 1:\n        def f(): return 3\n"
    "while 0: ...\nelse:\n    async def f(): return 4\n"
)


@pytest.mark.parametrize(
    ("source", "qualname", "ordinal", "code"),
    [
        *((BRANCHES, "f", n, f"{'async ' * (n == 4)}def f(): return {n}") for n in range(5)),
        (BRANCHES, "f", None, "async def f(): return 4"),
        (BRANCHES, "f", 5, None),
        (ACCESSORS, "A.x", None, "@property\ndef x(self): return 1"),
        (ACCESSORS, "A.x", 2, "@x.deleter\ndef x(self): return 3"),
        ("@register\ndef _(x: int): pass\n@register\ndef _(x: str): return 1\n", "_", 0,
         "@register\ndef _(x: int): pass"),
        ("@overload\ndef f(a: int): ...\ndef f(a): return a\n@typing.overload\ndef f(a: str): ...\n",
         "f", None, "def f(a): return a"),
        ("class f: pass\ndef f(): return 1\n", "f", 0, "def f(): return 1"),
        ("def o():\n\tdef i():\n\t\treturn 1\n", "o.<locals>.i", 0, "def i():\n    return 1"),
        ("def o():\n    def i(): pass\n", "i", None, None),
        ("class A:\n  @deco\n  class B(C,\n    meta=1):  # why\n    async def f(s): ...\n", "A.B.f", 0,
         "async def f(s): ..."),
        ("def to_µm(x): return x\n", "to_µm", 0, "def to_µm(x): return x"),
        ("def e(x):\n r = 1\n return r\n\\\ndef f(x): return 2\n", "f", 0, "def f(x): return 2"),
        ("class A:\n    \\\ndef f(s):\n        return 1\n", "A.f", 0, "def f(s):\n    return 1"),
        ("class A:\n\t def g(s):\n\t\t # why\n\t\t return (1,\n\t\t\t2)\n", "A.g", 0,
         "def g(s):\n    # why\n    return (1,\n            2)"),
        ("@ \\\n  cache\ndef f(): pass\n", "f", 0, "@ \\\n  cache\ndef f(): pass"),
        ("def f():\n    return 1 ;  # last\n    # below\n\n# next\n", "f", 0,
         "def f():\n    return 1 ;  # last"),
        ("def f():\n    return 1\\\n\n\nx = 1\n", "f", 0, "def f():\n    return 1"),
    ],
)  # fmt: skip
def test_a_function_is_found_by_its_name_and_ordinal(
    source: str, qualname: str, ordinal: int | None, code: str | None
) -> None:
    """Without an ordinal it is the last that is no overload and no property's setter or deleter."""
    assert _code(source, qualname, ordinal) == code


@pytest.mark.parametrize(
    "header",
    [
        "@deco(lambda x: x)\ndef f(a: int = (lambda: 1)(), *, b: dict[str, int] = {1: 2}) -> T:",
        "@(  # @ (\n    deco\n)\n# between\n@deco\ndef f(\n    a,  # c:\n    *b: int,\n) \\\n -> 'x:y' \\\n :",
    ],
)
def test_header_ends_at_its_own_colon(header: str) -> None:
    found = find((header + " return {1: 2}\n").encode(), "f")
    assert found is not None
    assert found.header == header


def test_docstring_is_cleaned_and_empty_when_there_is_none() -> None:
    source = 'def f():\n    """One\n\n      two\n    three\n    """\n\ndef g():\n    b"no"\n'
    assert [d.docstring for d in definitions(source.encode())] == ["One\n\n  two\nthree", ""]


def test_spans_count_bytes_where_characters_are_wider() -> None:
    source = "\ufeffü = '😀'\r\ndef f():\r\n    return 'ß'\r\n".encode()
    found = find(source, "f")
    assert found is not None
    piece = source[found.span.start_byte : found.span.end_byte]
    assert piece == "def f():\r\n    return 'ß'".encode()
    assert (found.span.start_line, found.span.end_line) == (2, 3)


# --- what is still to be written ---------------------------------------------------------------

RAISES = (
    "raise NotImplementedError",
    "raise NotImplementedError()",
    'raise NotImplementedError("later")',
    "raise NotImplementedError from None",
    "raise builtins.NotImplementedError",
    "raise NotImplemented",
    'message = "later"\n    raise NotImplementedError(message)',
    'message = f"{x} later"\n    raise NotImplementedError(message)',
    "del x\n    raise NotImplementedError",
    "raise NotImplementedError\n    yield",
    '"""Say."""\n    raise NotImplementedError  # TODO',
    'assert False, "later"',
    "assert 0",
)
SILENT = (
    "...",
    "pass",
    "pass  # TODO: write it",
    '"""Say."""',
    '"""Say."""\n    ...',
    '"""Say."""\n    pass',
    '"""Say."""\n    "and say more"',
    "return NotImplemented",
    "return ...",
)
WRITTEN = (
    "self.rows.append(x)",
    "log(x)",
    "yield",
    "await x",
    "return None",
    "return",
    "return x",
    "x += 1",
    'raise ValueError("x")',
    "raise",
    "assert x",
    "if x:\n        return 1\n    raise NotImplementedError",
    "rows = load()\n    raise NotImplementedError",
    "for _ in x:\n        pass",
)


def function(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def method(head: str) -> tuple[ast.stmt, ast.ClassDef]:
    owner = function(head)
    assert isinstance(owner, ast.ClassDef)
    return owner.body[-1], owner


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        *((body, (True, False)) for body in RAISES),
        *((body, (True, True)) for body in SILENT),
        *((body, (False, None)) for body in WRITTEN),
    ],
)
def test_a_stub_is_a_body_that_does_nothing_or_only_says_so(
    kind: str, body: str, expected: tuple[bool, bool | None]
) -> None:
    node = function(f"{kind} f(self, x):\n    {body}\n")
    found = is_stub(node)
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    assert (found, not refuses(node.body) if found else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class A:\n    @abstractmethod\n    def f(self): ...", False),
        ("class A:\n    @property\n    @abc.abstractmethod\n    def f(self): ...", False),
        ("class A:\n    @typing.overload\n    def f(self): ...", False),
        ("class A(Protocol):\n    def f(self): ...", False),
        ("class A(typing.Protocol[T]):\n    async def f(self): raise NotImplementedError", False),
        ("class A:\n    def f(self) -> NoReturn: raise NotImplementedError", False),
        ("class A:\n    @click.group()\n    def f(self): 'Tools.'", False),
        ("class A:\n    def __init__(self): pass", False),
        ("class A:\n    def __init__(self): raise NotImplementedError", True),
        ("class A:\n    def __init__(self, **options): pass", False),
        ("class A:\n    def __init__(self, x): pass", True),
        ("class A(Base):\n    @property\n    def f(self): ...", True),
        ("class A(ABC):\n    @staticmethod\n    def f(): pass", True),
        ("class A:\n    class f: pass", False),
    ],
)
def test_declarations_are_no_stubs(text: str, expected: bool) -> None:
    assert is_stub(*method(text)) is expected


def test_stubs_are_listed_with_their_places() -> None:
    source = b"class A:\n    @x.setter\n    def x(self, v): ...\n    @x.deleter\n    def x(self): raise NotImplementedError\n"
    assert stub_places("a.py", source) == (
        StubPlace("a.py", "A.x", 0, silent=True),
        StubPlace("a.py", "A.x", 1, silent=False),
    )
