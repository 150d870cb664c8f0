"""Whatever opens or ends a file, new code goes in without moving it, and the file still compiles."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from egbot.errors import UsageError
from egbot.source.edit import insert, insert_member, insert_top
from egbot.source.imports import add_imports

ERROR = 'class NewError(Exception):\n    """New: é."""\n'
FUNCTION = 'def new(x):\n    """Say "é→"."""\n    return x\n'
MEMBER = 'class Inner:\n    """In é."""\n\n    size = 1\n'

INSERTIONS: dict[str, Callable[[bytes], bytes]] = {
    "top": lambda source: insert_top(source, ERROR),
    "values": lambda source: insert_top(source, "LIMIT = 0  # é\n\n\n" + FUNCTION),
    "function": lambda source: insert(source, "new", FUNCTION),
    "method": lambda source: insert(source, "Cart.new", FUNCTION),
    "class": lambda source: insert(source, "Fresh.new", FUNCTION),
    "member": lambda source: insert_member(source, "Cart", MEMBER),
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
    "source", [None, b"", b"\n\n", b"\xef\xbb\xbf", b"# Licence", b"'''Doc'''"]
)
def test_a_file_without_code_takes_it_below_what_it_says(source: bytes | None) -> None:
    new = insert_top(source, ERROR)
    assert _parsed(new) is not None
    assert new.startswith((source or b"").strip())


def test_what_the_encoding_lacks_is_escaped_or_refused() -> None:
    """Text in strings keeps its value; a name has no other spelling."""
    source = b"# coding: latin-1\nNAME = '\xe9'\n"
    text = 'class New:\n    """\u2192 \xe9 \\\\\u20ac"""\n'
    made = insert_top(source, text)
    node = ast.parse(made).body[0]
    assert isinstance(node, ast.ClassDef)
    assert ast.get_docstring(node) == "\u2192 \xe9 \\\u20ac"
    for text in ("class \u0394New:\n    pass\n", "class New:\n    '\\\u20ac'\n"):
        with pytest.raises(UsageError, match="iso-8859-1, which has no character"):
            insert_top(source, text)
