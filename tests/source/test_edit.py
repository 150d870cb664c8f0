"""New code goes into a file of any layout, it still compiles, and every byte around it stays."""

from __future__ import annotations

import ast
import inspect
import io
import random
import time
import tokenize
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from egbot.errors import UsageError
from egbot.source.edit import Slot, changed_outside, insert, prepare
from egbot.source.imports import add_imports
from egbot.source.outline import find, read_outline
from egbot.source.text import SourceSyntaxError
from tests.source.library import compiled, library

LAYOUTS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "cr": lambda text: text.replace("\n", "\r").encode(),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "no_end": lambda text: text.rstrip("\n").encode(),
    "latin": lambda text: ("# coding: latin-1\n" + text).encode("latin-1", "replace"),
    "mixed": lambda text: b"\r\n".join(
        line.encode()
        for line in text.replace("\n", "\r\n", 3).replace("\r\n", "\n", 1).split("\r\n")
    ),
}
ODD = {
    "backslashes": "class A:\n    \\\ndef f(self):\n        return 1\n    \\\n    \\\ndef g(s): return 2\n",
    "mixed tabs": "class A:\n\t def g(self, x):\n\t\t if x:\n\t\t  \t return (1,\n\t\t2)\n\t\t # c\n\ndef f(x):\n    pass\n",
    "names": "def to_µm(x):\n    return x * 1e6\n\n\ndef ﬁne(x):\n    raise NotImplementedError\n",
    "decorators": "@(  # @x\n    functools.cache\n)\n# between\n@ \\\ncache\ndef f(\n  a,  # c:\n  b: 'x:y' = {1: 2}, *c: int\n) \\\n -> 'z' \\\n : # hash: colon\n  return 1  ;  # end\n  # tail\nx=1\n",
    "semicolons": "x = 1; y = 2; \nclass A: x = 1; y = [\n1]; z = 3 # c\nclass B: pass;\nclass C: \\\n  pass\nclass D: ...  # dots\ndef f(): return 1; \ndef g(): x = 1; return [\n 2]\n",
    "nested": "def o():\n    class K:\n        def m(self):\n            def i(): ...\n            return i\n    return K\nasync def a():\n    async with x as y:\n        async def b(): pass\n",
    "branches": "if a:\n    def f(): return 1\nelse:\n    def f(): return 2\ntry:\n    def f(): return 3\nexcept E:\n    def f(): return 4\nmatch x:\n    case 1:\n        def f(): return 5\n",
    "form feeds": "\x0c\n\x0cdef f():\n\x0c    return 1\n\x0c\nclass A:\n  \x0c  x = 1\n",
    "strings": "def f(a):\n  '''Doc\n\n    more\n  '''\n  x = '''\n a\n\tb\n'''\n  y = f'''{\n a}\n  c'''\n  return x + y + 'a\\\n b'\n",
    "accessors": "class S(Generic[T]):\n    @overload\n    def f(self, a: int) -> int: ...\n    def f(self, a): return a\n    @property\n    def p(self): return 1\n    @p.setter\n    def p(self, v): pass\n@register\ndef _(x: int): ...\n@register\ndef _(x: str): ...\n",
    "fillers": "class A:\n    def f(self): pass\n    pass\nclass B:\n    x = 1; pass\nclass C:\n    pass\n    pass\nclass D:\n    '''Doc'''; x = [\n1\n]\n    # tail\n",
    "head": "#!/usr/bin/env python3\n# Licence: é\n# more\n\n'''Doc\n'''\nfrom __future__ import annotations\nimport os, \\\n   sys\n__all__ = ['a']\ndef a(): pass\nif __name__ == '__main__':\n    a()\n",
    "no code": "# only\n# comments",
    "nothing": "",
}
if hasattr(ast, "TypeAlias"):
    ODD["type parameters"] = (
        "class A[T: (int, str)](B):\n    def f[**P](self, a: P) -> 'x:y':\n        pass\n"
    )
BODIES = (
    "    return 1",
    '    """A\n\n    docstring.\n    """\n    return 1',
    '    text = """a\n  b\n\tc\n"""\n    return text',
    "    if a:\n        for x in a:\n            print(x)\n    else:\n        return [1,\n            2,\n        3]",
    "    return (\n        1 +\n        2\n    )",
    "    x = 1 + \\\n        2\n    return x",
    "    def inner():\n        '''Inner\n        text'''\n        return '\\t'\n\n    return inner",
    "    # a comment\n    return f'{1}' + f'''\n  {2}\n'''  # the end",
)
FUNCTION = 'def new(x):\n    """Say "é→"."""\n    return x\n'
ERROR = 'class NewError(Exception):\n    """New: é."""\n'
MEMBER = 'class Inner:\n    """In é."""\n\n    size = 1\n'


def _replaced(slot: Slot, code: str) -> bytes:
    """The file with ``code`` as the function, and no import added."""
    return slot.outline.source.encode(slot._replaced(code))


def _check_slots(data: bytes, bodies: tuple[str, ...], max_functions: int = 1000) -> None:
    sites = list(read_outline(data).functions)
    for site in random.Random(len(data)).sample(sites, min(max_functions, len(sites))):
        name = site.qualname, site.ordinal
        slot = prepare(data, site.qualname, ordinal=site.ordinal)
        old = slot.definition
        assert _replaced(slot, old.code) == data, name
        anew = ast.unparse(ast.parse(old.header + " pass"))
        for body in bodies:
            code = f"{old.header}\n{body}"
            new = _replaced(slot, code)
            again = find(new, *name)
            assert again is not None
            assert again.code == code, name
            assert compiled(new) is not None, name
            assert new.startswith(data[: old.span.start_byte])
            assert new.endswith(data[old.span.end_byte :])
            assert changed_outside(data, new, *name) == ()
            fresh = f"{anew.removesuffix('    pass')}{body}"
            assert slot.settled(fresh) == code + "\n"
            assert compiled(_replaced(slot, fresh)) is not None


def _check_insertions(data: bytes) -> None:
    outline = read_outline(data)
    owners = sorted({one.qualname for one in outline.classes if "<locals>" not in one.qualname})
    owners = random.Random(len(data)).sample(owners, min(4, len(owners)))
    new_ones = {
        "new": partial(insert, data, "new", FUNCTION),
        "Fresh.new": partial(insert, data, "Fresh.new", FUNCTION),
        "NewError": partial(insert, data, "", ERROR),
        "zlib": partial(add_imports, data, ("import zlib",)),
    }
    for owner in owners:
        new_ones[f"{owner}.new"] = partial(insert, data, f"{owner}.new", FUNCTION)
        new_ones[f"{owner}.Inner"] = partial(insert, data, f"{owner}.Inner", MEMBER)
    text = outline.source.text
    for name, make in new_ones.items():
        new = make()
        assert compiled(new) is not None, name
        after = read_outline(new)
        others = {
            (s.qualname, s.ordinal): after.source.text[s.start : s.end] for s in after.functions
        }
        for site in outline.functions:
            assert others[site.qualname, site.ordinal] == text[site.start : site.end], name
        assert after.source.text.endswith(("\n", "\r")) is text.endswith(("\n", "\r")) or not text


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ODD)
def test_functions_of_odd_files_are_replaced_and_new_code_put_in(kind: str, layout: str) -> None:
    """The header of a function keeps its bytes, and its own text leaves the file as it is."""
    data = LAYOUTS[layout](ODD[kind])
    if compiled(data) is None:
        return  # a cookie's line does not end in "\r"
    _check_slots(data, BODIES)
    _check_insertions(data)


def test_the_library_s_files_are_edited_like_any_other() -> None:
    for path in library():
        data = path.read_bytes()
        if compiled(data) is not None:
            _check_slots(data, BODIES[:1], max_functions=3)
            _check_insertions(data)


# --- a function's body -------------------------------------------------------------------------


def test_tabs_crlf_bom_and_form_feeds_stay() -> None:
    source = (
        "\ufeff\x0cclass A:\r\n\tx = 1\r\n\x0c\tdef f(self):\r\n\t\tpass\r\n\x0c\r\ny = 2".encode()
    )
    code = "def f(self):\n    if 1:\n        return [\n            2,\n        ]"
    assert prepare(source, "A.f").fill(code).decode() == (
        "\ufeff\x0cclass A:\r\n\tx = 1\r\n\x0c\tdef f(self):\r\n\t\tif 1:\r\n\t\t\treturn [\r\n"
        "\t\t\t\t2,\r\n\t\t\t]\r\n\x0c\r\ny = 2"
    )


def test_strings_keep_their_values_and_the_docstring_moves_along() -> None:
    slot = prepare(b"class A:\n  def f(self):\n    pass\n", "A.f")
    code = 'def f(self):\n    """One\n\n        two\n    """\n    return """\n    a\nb"""'
    assert slot.fill(code).decode() == (
        'class A:\n  def f(self):\n    """One\n\n        two\n    """\n    return """\n    a\nb"""\n'
    )
    assert b'"""One\n two\n    """\n' in slot.fill('def f(self):\n    """One\n two\n    """')


def test_another_header_is_taken_and_the_same_one_is_kept_as_it_is_written() -> None:
    slot = prepare(b"@old( 1 )\ndef f( a ):\n    pass\n", "f")
    assert slot.fill("@new(\n    1,\n)\ndef f(a): ...\n") == b"@new(\n    1,\n)\ndef f(a): ...\n"
    settled = slot.settled("@old(1)\ndef f(a):\n    return a")
    assert slot.fill(settled) == b"@old( 1 )\ndef f( a ):\n    return a\n"


def test_character_that_the_encoding_lacks_is_a_usage_error() -> None:
    source = "# coding: latin-1\nx = 'é'\ndef f(): pass\n".encode("latin-1")
    with pytest.raises(UsageError, match=r"pkg/a.py .*iso-8859-1.*'€' \(U\+20AC") as caught:
        prepare(source, "f", "pkg/a.py").fill("def f(): return '€'")
    assert "UTF-8" in caught.value.hint
    assert prepare(source, "f").fill("def f(): return 'ü'").endswith(b"'\xfc'\n")


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


def test_text_around_the_candidate_is_dropped_and_missing_imports_come_with_it() -> None:
    slot = prepare(b'"""Doc."""\n\nimport os\nimport re\n\n\ndef f():\n    pass\n', "f")
    assert slot.fill("\n# hi\ndef f():\r\n    return math.pi, Counter()  # one\r\n\r\n# bye\n") == (
        b'"""Doc."""\n\nimport math\nimport os\nimport re\nfrom collections import Counter\n\n\n'
        b"def f():\n    return math.pi, Counter()  # one\n"
    )
    bom = prepare(b"\xef\xbb\xbf" + "ä = 1\r\ndef f(): pass\r\n".encode(), "f")
    assert b"\xef\xbb\xbf" + bom.fill_text("def f(): ...").encode() == bom.fill("def f(): ...")


def test_unknown_function_is_a_usage_error() -> None:
    for ordinal in (None, 1):
        with pytest.raises(UsageError, match=r"the file defines no function A\.f"):
            prepare(b"class A:\n    def g(s): pass\n", "A.f", ordinal=ordinal)


def test_filling_is_fast_because_the_file_is_read_once() -> None:
    slot = prepare(inspect.getsource(inspect).encode(), "getfile")
    start_s = time.thread_time()
    for number in range(100):
        slot.fill(f"def getfile(object):\n    return [object, {number}]")
    assert time.thread_time() - start_s < 5.0  # 50 ms each; it takes about 1 ms


# --- what changed ------------------------------------------------------------------------------

_BEFORE = b"import os\n\n\ndef a():\n    return 1\n\n\ndef f():\n    pass\n\n\nX = 1\n"


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        (_BEFORE.replace(b"return 1", b"return 2"), "line 5 is new or changed: return 2"),
        (_BEFORE.replace(b"X = 1", b"X = 2"), "the text below f changed"),
        (_BEFORE.replace(b"import os\n", b""), "line 1 is gone: import os"),
        (_BEFORE.replace(b"def f", b"def g"), "f is gone"),
        (_BEFORE + b"def f(): return 3\n", "the text below f changed"),
        (b"\xef\xbb\xbf" + _BEFORE, "the file's encoding changed"),
        (_BEFORE.replace(b"import os\n", b"import os; X()\n"), "line 1 is new or changed"),
        (b"def f(:", "a file cannot be read"),
    ],
)
def test_change_outside_the_function_is_reported(after: bytes, problem: str) -> None:
    problems = changed_outside(_BEFORE, after, "f", 0)
    assert any(found.startswith(problem) for found in problems)


def test_new_body_and_added_imports_are_no_change_outside() -> None:
    after = prepare(_BEFORE, "f").fill("def f():\n    return math.sqrt(deque([4])[0])")
    assert b"import math\nimport os\nfrom collections import deque\n" in after
    assert changed_outside(_BEFORE, after, "f") == ()
    assert changed_outside(_BEFORE, _BEFORE, "f") == ()


def test_only_the_definition_that_is_meant_may_change() -> None:
    source = b"@register\ndef _(x: int): ...\n@register\ndef _(x: str): ...\n"
    codes = [f"@register\ndef _(x: {kind}): return 1" for kind in ("int", "str")]
    for ordinal in (0, 1):
        after = prepare(source, "_", ordinal=ordinal).fill(codes[ordinal])
        assert after.count(b"return 1") == 1
        assert changed_outside(source, after, "_", ordinal) == ()
        assert changed_outside(source, after, "_", 1 - ordinal) != ()


# --- inserting ---------------------------------------------------------------------------------

_DEF = "def f(self):\n    return 1"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, "{}\n"),
        ("", "{}\n"),
        ("import a\n", "import a\n\n\n{}\n"),
        ("import a", "import a\n\n\n{}"),
        ("x = 1\n\n\n\n", "x = 1\n\n\n\n{}\n"),
        ("def a():\n    pass\n    # end\n\nX = 1\n", "def a():\n    pass\n    # end\n\n\n{}\n\n\nX = 1\n"),
        ("x = 1\n# run\nif __name__ == '__main__':\n    a()\n",
         "x = 1\n\n\n{}\n\n\n# run\nif __name__ == '__main__':\n    a()\n"),
        ("class A: pass", "class A: pass\n\n\n{}"),
        ("import a\n\nX = f()\n\n\ndef g(): pass\n", "import a\n\n\n{}\n\n\nX = f()\n\n\ndef g(): pass\n"),
        ("def a(): pass\n\n\n# why\n@(\n  f\n)\ndef b(): pass\n",
         "def a(): pass\n\n\n{}\n\n\n# why\n@(\n  f\n)\ndef b(): pass\n"),
    ],
)  # fmt: skip
def test_module_function_goes_below_the_last_definition_and_above_what_needs_it_at_import(
    source: str | None, expected: str
) -> None:
    before = None if source is None else source.encode()
    assert insert(before, "f", _DEF).decode() == expected.replace("{}", _DEF)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("class A:\n    x = 1\n", "class A:\n    x = 1\n\n    def f(self):\n        return 1\n"),
        ("class A:\n  pass\n\nx = 1", "class A:\n  def f(self):\n    return 1\n\nx = 1"),
        ("class A:\n\t...  # todo\n", "class A:\n\tdef f(self):\n\t\treturn 1\n"),
        ("class A: pass  # a\nx = 1\n", "class A:  # a\n    def f(self):\n        return 1\nx = 1\n"),
        ("class A: x = 1\n", "class A:\n    x = 1\n\n    def f(self):\n        return 1\n"),
        ('class A:\n    """Doc."""\n    pass\n', 'class A:\n    """Doc."""\n\n    def f(self):\n        return 1\n'),
        ('class A:\n    """Doc."""\n', 'class A:\n    """Doc."""\n\n    def f(self):\n        return 1\n'),
        ("class A:\r\n    def g(self):\r\n        pass\r\n    # end\r\n\r\n\r\n# next\r\nx = 1",
         ("class A:\r\n    def g(self):\r\n        pass\r\n    # end\r\n\r\n"
          "    def f(self):\r\n        return 1\r\n\r\n\r\n# next\r\nx = 1")),
        ("", "class A:\n    def f(self):\n        return 1\n"),
        ("x = 1\n", "x = 1\n\n\nclass A:\n    def f(self):\n        return 1\n"),
    ],
)  # fmt: skip
def test_method_goes_to_the_end_of_its_class(source: str, expected: str) -> None:
    assert insert(source.encode(), "A.f", _DEF).decode() == expected


def test_missing_classes_are_created_inside_the_ones_that_exist() -> None:
    new = insert(b"class A:\n\tpass\n", "A.B.C.f", _DEF)
    assert new == b"class A:\n\tclass B:\n\t\tclass C:\n\t\t\tdef f(self):\n\t\t\t\treturn 1\n"


def test_values_and_classes_go_to_the_top_and_below_what_they_are_made_of() -> None:
    source = b"import a\n\n\nclass Base: pass\n\n\nclass A:\n    '''Doc.'''\n    x = 1\n    pass\n"
    assert insert(source, "A.Y", "Y = 2").endswith(
        b"'''Doc.'''\n\n    Y = 2\n\n    x = 1\n    pass\n"
    )
    assert insert(source, "", "class New(Base): pass").startswith(
        b"import a\n\n\nclass Base: pass\n\n\nclass New(Base): pass\n\n\nclass A:"
    )
    assert insert(source, "", "X = 1").startswith(b"import a\n\n\nX = 1\n\n\nclass Base")


def test_nothing_comes_twice_or_into_a_function() -> None:
    source = b"class A:\n    @property\n    def x(self): return 1\n    def y(self): return 2\n"
    with pytest.raises(UsageError, match="already defined"):
        insert(source, "A.y", "def y(self): pass")
    with pytest.raises(UsageError, match="inside a function"):
        insert(b"def f(): pass\n", "f.<locals>.g", "def g(): pass")


def test_what_the_encoding_lacks_is_escaped_or_refused() -> None:
    """Text in strings keeps its value; a name has no other spelling."""
    source = b"# coding: latin-1\nNAME = '\xe9'\n"
    node = ast.parse(insert(source, "", 'class New:\n    """→ é \\\\€"""\n')).body[0]
    assert isinstance(node, ast.ClassDef)
    assert ast.get_docstring(node) == "→ é \\€"
    for text in ("class ΔNew:\n    pass\n", "class New:\n    '\\€'\n"):
        with pytest.raises(UsageError, match="iso-8859-1, which has no character"):
            insert(source, "", text)


INSERTIONS: dict[str, Callable[[bytes], bytes]] = {
    "top": lambda source: insert(source, "", ERROR),
    "values": lambda source: insert(source, "", "LIMIT = 0  # é\n\n\n" + FUNCTION),
    "function": lambda source: insert(source, "new", FUNCTION),
    "method": lambda source: insert(source, "Cart.new", FUNCTION),
    "class": lambda source: insert(source, "Fresh.new", FUNCTION),
    "member": lambda source: insert(source, "Cart.Inner", MEMBER),
    "import": lambda source: add_imports(source, ("import zlib",)),
}
NEW = {"NewError", "LIMIT", "new", "Fresh", "Inner", "zlib"}

# one of each row, in this order; {e} is the encoding, {é} a letter that it has
PARTS = (
    ("", "\n", "\f\n"),
    ("", "#!/usr/bin/env python3\n"),
    ("", "# -*- coding: {e} -*-\n", "# vim: set fileencoding={e} :\n"),
    ("", "# Licence: ours. {é}\n", "\n# Licence\n# in two lines\n\n"),
    ("", '"""Doc {é}."""\n', "'''Doc,\n\n# no comment\n'''\n\n", '"""Doc."""; import sys\n'),
    ("", "from __future__ import annotations\n"),
    (
        "",
        "import os\n",
        "import os \\\n\n",
        "import os; import re  # c:\\\n",
        "import os; X = [\n1]\n",
    ),
    ("", "\n\n\n\n", "\f\n", "# apart\n\n"),
    (
        "",
        "NAME = '{é}'\n",
        "# about it\nNAME = 1\n",
        "def old():\n\treturn '{é}'\n",
        "@wrap\ndef old():\n  pass\n  # end\x0c of\x85it\n",
        "x = 1; y = [\n1]\n",
    ),
    (
        "class Cart:\n    size = 1\n",
        'class Cart:\n\t"""Doc {é}."""\n\n\tdef old(self):\n\t\treturn 1\n',
        'class Cart:\n  """Doc."""; size = 1\n',
        (
            "@wrap(\n    1\n)\nclass Cart(\n    dict,\n):  # cart\n    # first\n"
            "    @(\n    wrap)\n    def old(self): return 1\n"
        ),
        "if True:\n    class Cart:\n        x = 1\n",
        "class Cart: x = 1\n",
    ),
    ("", "\n\n", "# end", "\f\n"),
    (
        "",
        "if __name__ == '__main__':\n    print(1)\n",
        "# run\nif __name__ == '__main__': print(1)",
    ),
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A Python file with all that an insertion might disturb."""
    encoding, letter = draw(st.sampled_from([("utf-8", "é→"), ("latin-1", "é"), ("ascii", "e")]))
    text = "".join(draw(st.sampled_from(choices)) for choices in PARTS)
    text = text.replace("{e}", encoding).replace("{é}", letter)
    if draw(st.booleans()):
        text = text.rstrip("\n")
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n", "\r"])))
    bom = b"\xef\xbb\xbf" if encoding == "utf-8" and draw(st.booleans()) else b""
    data = bom + text.encode(encoding, "replace")
    is_odd = "\r" in text.replace("\r\n", "") and encoding != "utf-8"  # cookies need "\n"
    assume(not is_odd and _parsed(data) is not None)
    return data


def _parsed(data: bytes) -> ast.Module | None:
    try:
        data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
        compile(data, "file.py", "exec")
        return ast.parse(data)
    except (SyntaxError, ValueError):
        return None


def _names(node: ast.stmt) -> set[str]:
    names = [getattr(node, "name", ""), *(one.name for one in getattr(node, "names", []))]
    return {*names, *(getattr(target, "id", "") for target in getattr(node, "targets", []))}


def _dump_of_old(tree: ast.Module) -> str:
    """The tree without what is new."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.If):
            node.body = [item for item in node.body if not NEW & _names(item)]
    return ast.dump(tree)


def _head(data: bytes) -> tuple[bytes, str]:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    start = data.removeprefix(b"\xef\xbb\xbf")
    return start[: start.find(b"python3") if start.startswith(b"#!") else 0], encoding


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("kind", INSERTIONS)
@given(source=files())
def test_new_code_goes_in_and_all_that_was_there_stays(kind: str, source: bytes) -> None:
    new = INSERTIONS[kind](source)
    tree, old = _parsed(new), _parsed(source)
    assert tree is not None, new
    assert old is not None
    rest = iter(new)
    assert all(byte in rest for byte in source if byte != ord(" "))  # in its order
    assert _head(new) == _head(source)
    assert ast.get_docstring(tree) == ast.get_docstring(old)
    guards = [node.lineno for node in tree.body if "__main__" in ast.dump(node)]
    names = {getattr(node, "name", ""): node.lineno for node in tree.body}
    assert all(line < guard for guard in guards for name, line in names.items() if name in NEW)
    assert _dump_of_old(tree) == ast.dump(old)
    assert new.endswith((b"\n", b"\r")) is source.endswith((b"\n", b"\r"))
    newline = next((one for one in (b"\r\n", b"\r", b"\n") if one in source), None)
    if newline is not None:
        assert not set(b"\r\n") & set(new.replace(newline, b""))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("['a']", "['a', 'new']"),
        ('("a",)', '("a", "new",)'),
        ('"a", "b"  # all', '"a", "b", "new"  # all'),
        ('[\n    "a",\n    "b"  # last\n]', '[\n    "a",\n    "b",  # last\n    "new",\n]'),
        ('[\n    "a", "b",\n]', '[\n    "a", "b", "new",\n]'),
        ('["a", "new"]', '["a", "new"]'),
        ("[]", "[]"),
        ("[one for one in 'ab']", "[one for one in 'ab']"),
        ('[*more, "a" "b"]', '[*more, "a" "b"]'),
    ],
)
def test_a_new_public_name_is_in_all(listed: str, expected: str) -> None:
    source = f"__all__ = {listed}\n\n\ndef a():\n    pass\n"
    after = insert(source.encode(), "new", "def new():\n    pass").decode()
    assert after.startswith(f"__all__ = {expected}\n\n\ndef a")
    hidden = insert(source.encode(), "_new", "def _new():\n    pass").decode()
    assert hidden.startswith(source)
