"""Owns the words that the model reads: the task, the tests and one slot for the signal.

It does not know chat templates or tokens; the engine turns a `Prompt` into those.
"""

from __future__ import annotations

from typing import Literal

from egbot.records import Prompt

Style = Literal["plain", "few_shot", "long_code"]

_SYSTEM = "You are an expert Python programmer."

_EXAMPLES = """\
Here are examples of functions with the tests that they pass.

```python
def find_index(items, wanted):
    for index, item in enumerate(items):
        if item == wanted:
            return index
    return -1

assert find_index(["a", "b"], "b") == 1
assert find_index([], 3) == -1
```

```python
def parse_pairs(text):
    pairs = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        pairs[name.strip()] = int(value)
    return pairs

assert parse_pairs("a=1; b=2") == {"a": 1, "b": 2}
```

"""

_LONG_CODE = (
    "Write many small statements, one step a line, with a named variable for each intermediate "
    "value. Avoid long expressions and comprehensions.\n\n"
)


def make_prompt(
    *, name: str, opening: str, body_indent: str, tests: str, context: str, style: Style
) -> Prompt:
    """The prompt for one function.

    ``opening`` is the code that the answer starts with (class header, definition, docstring),
    ``tests`` the text of the tests that it must pass, ``context`` other code of the module ("" for
    none). The signal's slot stands behind the tests, as late as possible, so that the plain and
    the conditioned prompt share all that comes before.
    """
    parts = [f"Write the Python function `{name}`.\n\n"]
    if style == "few_shot":
        parts.insert(0, _EXAMPLES)
    if style == "long_code":
        parts.append(_LONG_CODE)
    if context.strip():
        parts.append(f"The module already has:\n\n{_fenced(context)}\n\n")
    parts.append(f"{_fenced(f'{opening}{chr(10)}{body_indent}...')}\n\n")
    parts.append(f"It must pass these tests:\n\n{_fenced(tests)}\n")
    return Prompt(
        system=_SYSTEM,
        head="".join(parts),
        tail="",
        response_prefix=f"```python\n{opening}",
    )


def _fenced(code: str) -> str:
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}python\n{code.rstrip()}\n{fence}"
