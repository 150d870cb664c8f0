"""What an issue's text gives: blocks with tests and names of tests, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.intake.issue import MAX_BLOCKS, MAX_NAMED, IssueTests, named_tests
from egbot.intake.issue import tests_in_issue as read_issue
from tests.shelf import tree_of

TEXT = """
The function `slug` fails, see tests/test_slug.py::TestSlug::test_dash[a-b] and
`./tests/unit/words_test.py`; not src/app.py, but https://example.org/x/test_far.py maybe.

```python
def test_slug():
    assert slug("a b") == "a-b"
```

~~~py
class TestMore:
    def test_it(self):
        assert True
~~~

```python
def helper(): pass
```

```
FAILED tests/test_out.py::test_out - NameError
```

```python
def test_broken(:
```

````python
def test_fence():
    assert render() == '''
```
x
```
'''
````
"""


def test_blocks_with_tests_and_named_tests_are_found() -> None:
    found = read_issue(TEXT.replace("\n", "\r\n"))
    assert [block.split("(")[0] for block in found.blocks] == [
        "def test_slug",
        "class TestMore:\n    def test_it",
        "def test_fence",
    ]
    assert "```\nx\n```" in found.blocks[2]
    assert found.named == (
        "tests/test_slug.py::TestSlug::test_dash[a-b]",
        "tests/unit/words_test.py",
        "tests/test_out.py::test_out",
    )


def test_text_without_tests_gives_nothing() -> None:
    assert read_issue("Please fix `app.py`, ../test_x.py too") == IssueTests((), ())


def test_amounts_are_bounded() -> None:
    blocks = "```python\ndef test_a(): pass\n```\n" * 100
    names = " ".join(f"test_{number}.py" for number in range(500))
    found = read_issue(blocks + names)
    assert len(found.blocks) == MAX_BLOCKS
    assert len(found.named) == MAX_NAMED
    read_issue("`" * 200_000)
    read_issue("a/" * 60_000 + "test.py")
    read_issue("a." * 60_000 + "test_a (" + "a." * 60_000)
    read_issue("test_a.py::t[" + "]" * 60_000)


FILES = {
    "tests/__init__.py": "",
    "tests/test_core.py": "class TestEven:\n    def test_even(self): ...\n\ndef test_x(x): ...\n",
    "lib/tests/test_core.py": "",
    "lib/test_lib.py": "def test_lib(): ...\n",
}
CORE = "tests/test_core.py"
EVEN = f"{CORE}::TestEven::test_even"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        # unittest, in its own words
        ("test_even (tests.test_core.TestEven.test_even)\nEven numbers are even. ... FAIL", EVEN),
        ("test_even (tests.test_core.TestEven) ... ok", EVEN),
        ("FAIL: test_even (tests.test_core.TestEven)", EVEN),
        ("ERROR: test_even (project.tests.test_core.TestEven.test_even) (n=3)", EVEN),
        ("FAIL: test_lib (test_lib.test_lib)", "lib/test_lib.py::test_lib"),
        ("ERROR: tests.test_core (unittest.loader._FailedTest.tests.test_core)", CORE),
        ("ERROR: setUpClass (tests.test_core.TestEven)", f"{CORE}::TestEven"),
        # other machines' paths
        (r"tests\test_core.py::test_x", f"{CORE}::test_x"),
        (r"C:\My work\shop\tests\test_core.py:12: AssertionError", CORE),
        (r'"tests\\test_core.py::test_x"', f"{CORE}::test_x"),
        ("/srv/shop/tests/test_core.py:7: AssertionError", CORE),
        ("test_lib.py::test_lib - NameError", "lib/test_lib.py::test_lib"),
        # rows
        (f"FAILED {CORE}::test_x['str' object has no 'read'] - x", f"{CORE}::test_x"),
        (f"FAILED {CORE}::test_x[a]b] - assert", f"{CORE}::test_x[a]b]"),
        (f"{CORE}::test_x[a::b].", f"{CORE}::test_x[a::b]"),
        # no tests
        ("https://example.org/tests/test_core.py, os (os.path), " + r"..\tests\test_core.py", ""),
    ],
)
def test_names_of_tools_and_machines_stand_for_the_repository_s(text: str, named: str) -> None:
    assert named_tests(read_issue(text), tree_of(FILES)) == ((named,) if named else (), ())


def test_wrong_names_are_told_beside_the_good_ones() -> None:
    text = f"tests/test_gone.py::test_a, {CORE}::test_x, {CORE}::test_y, FAIL: test_b (a.test_b.C)"
    good, problems = named_tests(read_issue(text), tree_of(FILES))
    assert good == (f"{CORE}::test_x",)
    assert [problem.partition(" (")[0] for problem in problems] == [
        "there is no test file tests/test_gone.py",
        f"{CORE} has no test test_y",
        "there is no test file a.test_b.C.test_b",
    ]


@settings(max_examples=100)
@given(st.text(alphabet="`~ \npython:test_a.[]/def()", max_size=300))
def test_any_text_is_read(text: str) -> None:
    named_tests(read_issue(text), tree_of(FILES))
