"""A function is found and replaced; every byte outside it stays, whatever the file's layout."""

from __future__ import annotations

import ast
import bisect
import colorsys
import contextlib
import fnmatch
import io
import string
import textwrap
import time
import tokenize
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egbot.errors import UsageError
from egbot.source.edit import changed_outside, insert, prepare
from egbot.source.outline import Definition, definitions, find
from egbot.source.text import SourceSyntaxError

_MODULES = (bisect, colorsys, fnmatch, string, textwrap)
_TEXTWRAP = 4
_LAYOUTS = ("plain", "crlf", "cr", "tabs", "two", "bom", "latin", "no_end", "crlf_tabs_no_end")


def replaced(source: bytes, qualname: str, code: str) -> bytes:
    return prepare(source, qualname).replace(code)


def filled(source: bytes, qualname: str, code: str) -> bytes:
    return prepare(source, qualname).fill(code)


@cache
def _corpus() -> tuple[bytes, ...]:
    return tuple(Path(m.__file__ or "").read_bytes() for m in _MODULES)


def _reindented(text: str, unit: str) -> str:
    """The text with each level of indentation as ``unit``; strings and the rest untouched."""
    lines = text.split("\n")
    depth = 0
    first = True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            depth += 1 if token.type == tokenize.INDENT else -1
        elif token.type == tokenize.NEWLINE:
            first = True
        elif first and token.type not in (tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER):
            row = token.start[0] - 1
            lines[row] = unit * depth + lines[row].lstrip()
            first = False
    return "\n".join(lines)


@cache
def _laid_out(index: int, layout: str) -> bytes:
    """A module of the standard library, rewritten in another layout."""
    text = _corpus()[index].decode()
    if "tabs" in layout:
        text = _reindented(text, "\t")
    if layout == "two":
        text = _reindented(text, "  ")
    if "no_end" in layout:
        text = text.rstrip("\n")
    if "latin" in layout:
        return ("# coding: latin-1\nNAME = 'é ü'\n" + text).encode("latin-1", "replace")
    if "cr" in layout:
        text = text.replace("\n", "\r\n" if "crlf" in layout else "\r")
    return (b"\xef\xbb\xbf" if layout == "bom" else b"") + text.encode()


@cache
def _definitions(index: int, layout: str) -> tuple[Definition, ...]:
    return definitions(_laid_out(index, layout))


def _same_code(left: str, right: str) -> bool:
    return ast.dump(ast.parse(left)) == ast.dump(ast.parse(right))


def _program(source: bytes) -> str:
    """The program as a tree; docstrings as a reader sees them, without their indentation."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            first.value = ast.Constant(ast.get_docstring(node))
    return ast.dump(tree)


places = st.tuples(st.integers(0, len(_MODULES) - 1), st.sampled_from(_LAYOUTS), st.integers(0, 99))
bounded = settings(max_examples=15, suppress_health_check=list(HealthCheck), derandomize=True)

_BODIES = (
    "    return 1",
    '    """A\n\n    docstring.\n    """\n    return 1',
    '    text = """a\n  b\n\tc\n"""\n    return text',
    "    if a:\n        for x in a:\n            yield x\n    else:\n        return [1,\n            2,\n        3]",
    "    return (\n        1 +\n        2\n    )",
    "    x = 1 + \\\n        2\n    return x",
    "    def inner():\n        '''Inner\n        text'''\n        return '\\t'\n\n    return inner",
    "    # a comment\n    return f'{1}' + f'''\n  {2}\n'''  # the end",
)


@bounded
@given(places, st.sampled_from(_BODIES))
def test_only_the_span_changes_and_the_new_code_is_read_back(
    place: tuple[int, str, int], body: str
) -> None:
    index, layout, number = place
    source = _laid_out(index, layout)
    found = _definitions(index, layout)
    old = found[number % len(found)]
    code = f"def {old.qualname.rpartition('.')[2]}(a, b=1):\n{body}"
    new = replaced(source, old.qualname, code)
    assert new.startswith(source[: old.span.start_byte])
    assert new.endswith(source[old.span.end_byte :])
    again = find(new, old.qualname)
    assert again is not None
    assert again.code == code
    assert _same_code(again.code, code)
    assert new[again.span.end_byte :] == source[old.span.end_byte :]
    inside = new[again.span.start_byte : again.span.end_byte]
    assert (b"\r\n" in inside) == ("crlf" in layout and "\n" in code)
    assert changed_outside(source, new, old.qualname) == ()
    assert replaced(new, old.qualname, code) == new
    assert prepare(source, old.qualname).fill(code) == filled(source, old.qualname, code)


@bounded
@given(places)
def test_own_code_written_back_leaves_the_same_program(place: tuple[int, str, int]) -> None:
    index, layout, number = place
    source = _laid_out(index, layout)
    found = _definitions(index, layout)
    old = found[number % len(found)]
    new = replaced(source, old.qualname, old.code)
    again = find(new, old.qualname)
    assert again is not None
    assert again.code == old.code
    assert _program(new) == _program(source)
    if layout in ("plain", "bom", "latin", "no_end", "crlf"):
        lines = source[old.span.start_byte : old.span.end_byte].split(b"\n")
        if not any(line.strip() == b"" and line.strip(b"\r") for line in lines):
            assert new == source


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_span_holds_the_definition_in_every_layout(layout: str) -> None:
    source = _laid_out(_TEXTWRAP, layout)
    for item in _definitions(_TEXTWRAP, layout):
        piece = source[item.span.start_byte : item.span.end_byte]
        assert piece.startswith((b"def ", b"@", b"async "))
        assert not piece.endswith((b"\n", b"\r", b" "))
        encoding = "latin-1" if layout == "latin" else "utf-8-sig"
        text = source.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")[item.span.start_line - 1 : item.span.end_line]
        assert lines[0].strip() == item.code.split("\n")[0].strip()
        assert lines[-1].strip() == item.code.split("\n")[-1].strip()
        assert item.header.endswith(":")


# --- finding -----------------------------------------------------------------------------------


def _code(source: str, qualname: str) -> str | None:
    found = find(source.encode(), qualname)
    return found.code if found else None


def test_method_of_a_nested_class_is_found() -> None:
    source = "class A:\n  @deco\n  class B(Base,\n          meta=1):  # why\n    async def f(self): ...\n"
    found = find(source.encode(), "A.B.f")
    assert found is not None
    assert found.code == found.header + " ..." == "async def f(self): ..."


def test_function_inside_a_function_has_python_s_own_name() -> None:
    source = b"def outer():\n    def inner():\n        pass\n"
    assert [d.qualname for d in definitions(source)] == ["outer", "outer.<locals>.inner"]
    assert find(source, "inner") is None


def test_conditional_definitions_are_found_and_the_last_one_counts() -> None:
    source = "try:\n    import x\nexcept E:\n    def f(): return 1\nelse:\n    if x:\n        def f(): return 2\n"
    assert _code(source, "f") == "def f(): return 2"
    blocks = "with a:\n    def g(): pass\nfor b in c:\n    def h(): pass\nmatch d:\n    case 1:\n        def i(): pass\n"
    assert [d.qualname for d in definitions(blocks.encode())] == ["g", "h", "i"]


def test_overloads_do_not_count() -> None:
    source = (
        "@overload\ndef f(a: int): ...\ndef f(a): return a\n@typing.overload\ndef f(a: str): ...\n"
    )
    assert _code(source, "f") == "def f(a): return a"


def test_setter_and_deleter_are_not_the_property() -> None:
    source = (
        "class A:\n    @property\n    def x(self): return 1\n"
        "    @x.setter\n    def x(self, v): pass\n    @x.deleter\n    def x(self): pass\n"
    )
    assert _code(source, "A.x") == "@property\ndef x(self): return 1"


def test_span_takes_the_comment_on_the_last_line_and_leaves_the_ones_below() -> None:
    source = "def f():\n    return 1 ;  # last\n    # below\n\n# next\nx = 1\n"
    found = find(source.encode(), "f")
    assert found is not None
    assert source[: found.span.end_byte].endswith("# last")
    assert (found.span.start_line, found.span.end_line) == (1, 2)


def test_docstring_is_cleaned_and_empty_when_there_is_none() -> None:
    source = 'def f():\n    """One\n\n      two\n    three\n    """\n\ndef g():\n    b"no"\n'
    assert [d.docstring for d in definitions(source.encode())] == ["One\n\n  two\nthree", ""]


def test_header_ends_at_its_own_colon() -> None:
    header = (
        "@deco(lambda x: x)\ndef f(a: int = (lambda: 1)(), *, b: dict[str, int] = {1: 2}) -> T:"
    )
    found = find((header + " return {1: 2}\n").encode(), "f")
    assert found is not None
    assert found.header == header


def test_offsets_count_bytes_where_characters_are_wider() -> None:
    source = "ü = '😀'\n\ndef f():\n    return 'ß'\n".encode()
    found = find(source, "f")
    assert found is not None
    assert (
        source[found.span.start_byte : found.span.end_byte] == "def f():\n    return 'ß'".encode()
    )


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"def f(:\n", 1),
        (b"x = 1\ndef f():\n", 2),
        (b"# coding: nonsense\n", 1),
        (b"# coding: hex\n", 1),
        (b"x = 1\ny = '\0'\n", 2),
        (b"x = '\xff'\n", 1),
        (b"# coding: latin-1\n\xef\xbb\xbfx = 1\n", 2),
        (b"x = " + b"[" * 300 + b"]" * 300, 1),
        (b"x = " + b"-" * 20000 + b"1", 0),
        (b"\tx = 1\n", 1),
    ],
)
def test_unreadable_file_is_one_error_with_a_line(source: bytes, line: int) -> None:
    with pytest.raises(SourceSyntaxError) as caught:
        find(source, "f")
    assert caught.value.message
    assert caught.value.line == line


def test_long_chains_in_a_file_do_not_hide_its_functions() -> None:
    chain = "+".join(["1"] * 900)
    source = f"x = {chain}\ndef f(): pass\n" + "if x: pass\n" + "elif x: pass\n" * 900
    assert _code(source, "f") == "def f(): pass"


@given(st.binary(max_size=60))
@settings(max_examples=150)
def test_arbitrary_bytes_are_read_or_refused_but_never_crash(source: bytes) -> None:
    with contextlib.suppress(SourceSyntaxError):
        definitions(source)


# --- replacing ---------------------------------------------------------------------------------


def test_tabs_crlf_bom_and_form_feeds_stay() -> None:
    source = (
        "\ufeff\x0cclass A:\r\n\tx = 1\r\n\x0c\tdef f(self):\r\n\t\tpass\r\n\x0c\r\ny = 2".encode()
    )
    new = replaced(
        source, "A.f", "def f(self):\n    if 1:\n        return [\n            2,\n        ]"
    )
    expected = (
        "\ufeff\x0cclass A:\r\n\tx = 1\r\n\x0c\tdef f(self):\r\n\t\tif 1:\r\n\t\t\treturn [\r\n"
        "\t\t\t\t2,\r\n\t\t\t]\r\n\x0c\r\ny = 2"
    )
    assert new.decode() == expected


def test_strings_keep_their_values_and_the_docstring_moves_along() -> None:
    source = b"class A:\n  def f(self):\n    pass\n"
    code = 'def f(self):\n    """One\n\n        two\n    """\n    return """\n    a\nb"""'
    new = replaced(source, "A.f", code)
    assert new.decode() == (
        'class A:\n  def f(self):\n    """One\n\n        two\n    """\n    return """\n    a\nb"""\n'
    )
    scope: dict[str, type] = {}
    exec(new, scope)
    assert scope["A"]().f() == "\n    a\nb"


def test_docstring_of_another_shape_is_left_as_it_is() -> None:
    source = b"class A:\n    def f(self):\n        pass\n"
    code = 'def f(self):\n    """One\n  two\n    """'
    assert b'"""One\n  two\n    """\n' in replaced(source, "A.f", code)


def test_decorators_are_replaced_with_their_function() -> None:
    source = b"@old\ndef f():\n    pass\n"
    assert replaced(source, "f", "@new(\n    1,\n)\ndef f(): ...\n") == (
        b"@new(\n    1,\n)\ndef f(): ...\n"
    )


def test_character_that_the_encoding_lacks_is_a_usage_error() -> None:
    source = "# coding: latin-1\nx = 'é'\ndef f(): pass\n".encode("latin-1")
    with pytest.raises(UsageError, match=r"pkg/a.py .*iso-8859-1.*'€' \(U\+20AC") as caught:
        prepare(source, "f", "pkg/a.py").fill("def f(): return '€'")
    assert "UTF-8" in caught.value.hint
    assert replaced(source, "f", "def f(): return 'ü'").endswith(b"'\xfc'\n")


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 1",
        "def g(): pass",
        "def f(): pass\nx = 1",
        "def f(): pass\ndef f(): pass",
        "def f(:",
        "def f():\n",
        "class f: pass",
        "def f(): return '\ud800'",
        "def f(): return '\0'",
        "def f(): return " + "-" * 50000 + "1",
    ],
)
def test_code_that_is_not_the_one_function_is_refused(code: str) -> None:
    with pytest.raises(SourceSyntaxError):
        prepare(b"def f(): pass\n", "f").fill(code)


def test_text_around_the_candidate_is_dropped() -> None:
    slot = prepare(b"x = 1\ndef f(): pass\n", "f")
    assert slot.fill("\n\n# hi\ndef f():\r\n    return 1  # one\r\n\r\n# bye\n") == (
        b"x = 1\ndef f():\n    return 1  # one\n"
    )


def test_unknown_function_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"the file defines no function A\.f"):
        prepare(b"def f(): pass\n", "A.f")


def test_missing_import_comes_with_the_function_and_only_then() -> None:
    slot = prepare(b'"""Doc."""\n\nimport os\nimport re\n\n\ndef f():\n    pass\n', "f")
    assert slot.fill("def f():\n    return math.pi, Counter()") == (
        b'"""Doc."""\n\nimport math\nimport os\nimport re\nfrom collections import Counter\n\n\n'
        b"def f():\n    return math.pi, Counter()\n"
    )
    assert slot.fill("def f():\n    return re, os") == (
        b'"""Doc."""\n\nimport os\nimport re\n\n\ndef f():\n    return re, os\n'
    )


def test_text_and_bytes_of_a_filled_slot_agree() -> None:
    source = b"\xef\xbb\xbf" + "ä = 1\r\ndef f(): pass\r\n".encode()
    slot = prepare(source, "f")
    code = "def f():\n    return math.pi"
    assert b"\xef\xbb\xbf" + slot.fill_text(code).encode() == slot.fill(code)


def test_filling_is_fast_because_the_file_is_read_once() -> None:
    source = _corpus()[_TEXTWRAP]
    slot = prepare(source, "TextWrapper._split")
    start_s = time.thread_time()
    for number in range(100):
        slot.fill(f"def _split(self, text):\n    return [text, {number}]")
    assert time.thread_time() - start_s < 2.0  # 20 ms each; it takes about 1 ms


# --- inserting ---------------------------------------------------------------------------------

_METHOD = "def f(self):\n    return 1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "def f(self):\n    return 1\n"),
        ("", "def f(self):\n    return 1\n"),
        ("import a\n", "import a\n\n\ndef f(self):\n    return 1\n"),
        ("import a", "import a\n\n\ndef f(self):\n    return 1"),
        ("x = 1\n\n\n\n", "x = 1\n\n\n\ndef f(self):\n    return 1\n"),
        (
            "def a():\n\tpass\n\t# end\n\nX = 1\n",
            "def a():\n\tpass\n\t# end\n\n\ndef f(self):\n\treturn 1\n\n\nX = 1\n",
        ),
        (
            "def a(): pass\r\n\r\n\r\nif __name__ == '__main__':\r\n    a()\r\n",
            (
                "def a(): pass\r\n\r\n\r\ndef f(self):\r\n    return 1\r\n\r\n\r\n"
                "if __name__ == '__main__':\r\n    a()\r\n"
            ),
        ),
        (
            "x = 1\n# run\nif __name__ == '__main__':\n    a()\n",
            "x = 1\n\n\ndef f(self):\n    return 1\n\n\n# run\nif __name__ == '__main__':\n    a()\n",
        ),
        ("class A: pass", "class A: pass\n\n\ndef f(self):\n    return 1"),
    ],
)
def test_module_function_goes_below_the_last_definition(source: str | None, expected: str) -> None:
    before = None if source is None else source.encode()
    new = insert(before, "f", _METHOD)
    assert new.decode() == expected
    assert changed_outside(before, new, "f") == ()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class A:\n    x = 1\n", "class A:\n    x = 1\n\n    def f(self):\n        return 1\n"),
        ("class A:\n  pass\n\nx = 1", "class A:\n  def f(self):\n    return 1\n\nx = 1"),
        ("class A:\n\t...  # todo\n", "class A:\n\tdef f(self):\n\t\treturn 1\n"),
        (
            "class A: pass  # a\nx = 1\n",
            "class A:  # a\n    def f(self):\n        return 1\nx = 1\n",
        ),
        ("class A: x = 1\n", "class A:\n    x = 1\n\n    def f(self):\n        return 1\n"),
        (
            'class A:\n    """Doc."""\n    pass\n',
            'class A:\n    """Doc."""\n\n    def f(self):\n        return 1\n',
        ),
        (
            'class A:\n    """Doc."""\n',
            'class A:\n    """Doc."""\n\n    def f(self):\n        return 1\n',
        ),
        (
            "class A:\r\n    def g(self):\r\n        pass\r\n    # end\r\n\r\n\r\n# next\r\nx = 1",
            (
                "class A:\r\n    def g(self):\r\n        pass\r\n    # end\r\n\r\n"
                "    def f(self):\r\n        return 1\r\n\r\n\r\n# next\r\nx = 1"
            ),
        ),
        ("", "class A:\n    def f(self):\n        return 1\n"),
        ("x = 1\n", "x = 1\n\n\nclass A:\n    def f(self):\n        return 1\n"),
    ],
)
def test_method_goes_to_the_end_of_its_class(source: str, expected: str) -> None:
    new = insert(source.encode(), "A.f", _METHOD)
    assert new.decode() == expected
    assert changed_outside(source.encode(), new, "A.f") == ()


def test_missing_classes_are_created_inside_the_ones_that_exist() -> None:
    new = insert(b"class A:\n\tpass\n", "A.B.C.f", _METHOD)
    assert new == b"class A:\n\tclass B:\n\t\tclass C:\n\t\t\tdef f(self):\n\t\t\t\treturn 1\n"


def test_function_that_exists_is_not_inserted_again() -> None:
    with pytest.raises(UsageError, match="already defined"):
        insert(b"def f(): pass\n", "f", _METHOD)


@bounded
@given(places, st.booleans())
def test_insertion_only_adds_bytes(place: tuple[int, str, int], as_method: bool) -> None:
    index, layout, number = place
    source = _laid_out(index, layout)
    methods = [
        d.qualname.rpartition(".")[0] for d in _definitions(index, layout) if "." in d.qualname
    ]
    prefix = methods[number % len(methods)] + "." if methods and as_method else ""
    new = insert(source, prefix + "brand_new", "def brand_new():\n    return '''\n x'''")
    found = find(new, prefix + "brand_new")
    assert found is not None
    assert found.code == "def brand_new():\n    return '''\n x'''"
    added = len(new) - len(source)
    pairs = enumerate(zip(source, new, strict=False))
    head = next((n for n, (old, now) in pairs if old != now), len(source))
    assert any(new[n + added :] == source[n:] for n in range(head + 1))
    assert changed_outside(source, new, prefix + "brand_new") == ()


# --- what changed ------------------------------------------------------------------------------

_BEFORE = b"import os\n\n\ndef a():\n    return 1\n\n\ndef f():\n    pass\n\n\nX = 1\n"


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (_BEFORE.replace(b"return 1", b"return 2"), "line 5 is new or changed: return 2"),
        (_BEFORE.replace(b"X = 1", b"X = 2"), "the text below f changed"),
        (_BEFORE.replace(b"import os\n", b""), "line 1 is gone: import os"),
        (_BEFORE.replace(b"def f", b"def g"), "f is gone"),
        (_BEFORE + b"def f(): return 3\n", "line 8 is new or changed: def f():"),
        (b"\xef\xbb\xbf" + _BEFORE, "the file's encoding changed"),
        (_BEFORE.replace(b"import os\n", b"import os; X()\n"), "line 1 is new or changed"),
        (b"def f(:", "a file cannot be read"),
    ],
)
def test_change_outside_the_function_is_reported(after: bytes, problem: str) -> None:
    problems = changed_outside(_BEFORE, after, "f")
    assert any(found.startswith(problem) for found in problems)


def test_new_body_and_added_imports_are_no_change_outside() -> None:
    after = filled(_BEFORE, "f", "def f():\n    return math.sqrt(deque([4])[0])")
    assert b"import math\nimport os\nfrom collections import deque\n" in after
    assert changed_outside(_BEFORE, after, "f") == ()
    assert changed_outside(_BEFORE, _BEFORE, "f") == ()
