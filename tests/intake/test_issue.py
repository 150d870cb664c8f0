"""What an issue's text gives: blocks with tests and names of tests, and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.intake.issue import MAX_BLOCKS, MAX_NAMED, IssueTests
from egbot.intake.issue import tests_in_issue as read_issue

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


@settings(max_examples=100)
@given(st.text(alphabet="`~ \npython:test_a.[]/def()", max_size=300))
def test_any_text_is_read(text: str) -> None:
    read_issue(text)
