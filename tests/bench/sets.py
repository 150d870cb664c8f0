"""Small task files in the published formats, and a bench without a model or a real sandbox.

It does not know what is asked of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from egbot.bench.effects import Effects, Say
from egbot.bench.runs import Order
from egbot.bench.tasks import BlankedFunction
from egbot.config import Settings
from egbot.execution.process import process_sandbox
from egbot.ports import Decoder, Sandbox
from egbot.records import Tree
from egbot.testing import ReplaySandbox
from tests.shelf import decoder_of, tree_of

Fields = dict[str, object]

MBPP: Fields = {
    "task_id": 2,
    "text": "Write a function to find the shared elements of two lists.",
    "code": (
        "class Pair:\n    def __init__(self, a):\n        self.a = a\n\n\n"
        "def similar_elements(a, b):\n    return tuple(sorted(set(a.a) & set(b)))\n"
    ),
    "test_list": [
        "assert similar_elements(Pair((3, 4)), (5, 4)) == (4,)",
        "assert set(similar_elements(Pair((1, 2)), (2, 1))) == {1, 2}",
    ],
    "test_setup_code": "",
    "challenge_test_list": [],
}
HUMANEVAL: Fields = {
    "task_id": "Test/0",
    "prompt": (
        "from typing import List\n\n\ndef helper(x: int) -> int:\n    return x + 1\n\n\n"
        'def bump_all(numbers: List[int]) -> List[int]:\n    """Add one to each.\n\n'
        '    >>> bump_all([1])\n    [2]\n    """\n'
    ),
    "entry_point": "bump_all",
    "canonical_solution": "    return [helper(x) for x in numbers]\n",
    "test": (
        "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([]) == []\n"
        "    assert candidate([1, 2]) == [helper(1), 3]\n"
    ),
}
CODECONTESTS: Fields = {
    "name": "1_A. Sum",
    "description": "Print the sum of two numbers.",
    "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
    "private_tests": {"input": ["5\n5\n"], "output": ["10"]},
    "generated_tests": {"input": ["0 0", "-1 1"], "output": ["0\n", " 0 \n"]},
    "solutions": {
        "language": [2, 3],
        "solution": ["int main(){}", "import sys\nprint(sum(map(int, sys.stdin.read().split())))"],
    },
}
DS1000: Fields = {
    "prompt": (
        "Problem:\nDouble the numbers.\n\nA:\n<code>\nimport math\nvalues = [1, 2]\n</code>\n"
        "result = ... # put solution in this variable\nBEGIN SOLUTION\n<code>\n"
    ),
    "reference_code": "result = [2 * value for value in values]",
    "metadata": {"problem_id": 7, "library": "Numpy"},
    "code_context": (
        "import copy\n\n\n"
        "def generate_test_case(test_case_id):\n    return [1, 2, 3], [2, 4, 6]\n\n\n"
        "def exec_test(result, ans):\n    assert result == ans\n    return 1\n\n\n"
        'exec_context = r"""\nimport math\nvalues = test_input\n[insert]\n"""\n\n\n'
        "def test_execution(solution: str):\n"
        '    code = exec_context.replace("[insert]", solution)\n'
        "    test_input, expected_result = generate_test_case(1)\n"
        '    test_env = {"test_input": test_input}\n'
        "    exec(code, test_env)\n"
        '    assert exec_test(test_env["result"], expected_result)\n\n\n'
        'def test_string(solution: str):\n    assert "while" not in solution\n'
    ),
}
DS1000_INNER: Fields = {
    "prompt": (
        "Problem:\nDouble the numbers.\n\nA:\n<code>\nexample = [1, 2]\n"
        "def f(values=example):\n    # return the solution in this function\n"
        "    # result = f(values)\n    ### BEGIN SOLUTION"
    ),
    "reference_code": "    return [2 * value for value in values]",
    "metadata": {"problem_id": 8},
    "code_context": str(DS1000["code_context"]).replace(
        "values = test_input\n[insert]\n",
        "given = test_input\ndef f(values):\n[insert]\nresult = f(given)\n",
    ),
}
ADD = {
    "calc.py": 'def add(a, b):\n    """The sum."""\n    return a + b\n\n\ndef unused():\n    return 1\n',
    "test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
}


def adders(num_tasks: int) -> list[Fields]:
    """MBPP tasks ``add_0``, ``add_1``, ... that each add their number."""
    return [
        {
            "task_id": number,
            "text": f"Add {number} to a number.",
            "test_list": [
                f"assert add_{number}(1) == {number + 1}",
                f"assert add_{number}(2) == {number + 2}",
            ],
        }
        for number in range(num_tasks)
    ]


def jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def in_process(settings: Settings, tree: Tree, say: Say) -> Sandbox:
    """Real pytest in a child process, which isolates nothing: for the tests' own programs."""
    return process_sandbox(sys.executable)


@dataclass
class Shelf:
    """Effects without a model; ``said`` is the progress, ``num_loads`` counts loaded models."""

    decoder: Decoder = field(default_factory=lambda: decoder_of({}))
    make_sandbox: Callable[[Settings, Tree, Say], Sandbox] = lambda settings, tree, say: (
        ReplaySandbox()
    )
    package: Callable[[BlankedFunction], Tree] = lambda work: tree_of(ADD)
    said: list[str] = field(default_factory=list)
    num_loads: int = 0

    def say(self, text: str) -> None:
        self.said.append(text)

    def effects(self) -> Effects:
        return Effects(self.make_sandbox, self.load, self.package)

    def load(self, settings: Settings, say: Say) -> Decoder:
        self.num_loads += 1
        return self.decoder


def order_of(tasks: str, output: Path, **options: object) -> Order:
    """One greedy agent unless ``overrides`` say otherwise."""
    overrides = {"guidance": {"gamma": 0.0, "candidates": 0}}
    return Order(**{"tasks": tasks, "output": output, "overrides": overrides, **options})  # type: ignore[arg-type]
