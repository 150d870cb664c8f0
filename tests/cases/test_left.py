"""What a run writes together, sets apart, leaves alone, and what it says of that."""

from __future__ import annotations

import pytest

from tests.cases.front import Case, Front, check, table

AROUND = table("around.txt")


@pytest.mark.parametrize("case", AROUND.values(), ids=AROUND)
def test_a_right_body_is_accepted_whatever_its_tests_are_like(case: Case, front: Front) -> None:
    check(front, case.text, case.bodies)


# --- tests that a right body cannot make pass ---------------------------------------------------

RED = """
    -- lib.py
    def double(x):
        raise NotImplementedError
    def other(x):
        return double(x) + 1
    def wrong(x):
        return double(x) + 7
    -- tests/test_it.py
    import lib
    def test_double():
        assert lib.double(2) == 4
    def test_other():
        assert lib.other(3) == 7
    def test_red():
    """


@pytest.mark.parametrize(
    "red",
    [
        "assert lib.other(2) == 6",
        "assert lib.other(2) == 5\n        open('gone.txt')",
        "lib.double(2); raise RuntimeError('not today')",
        "assert lib.wrong(2) == 4",
    ],
)
def test_a_test_that_is_red_for_another_reason_is_set_apart_and_named(
    red: str, front: Front
) -> None:
    answer = front.solve(f"{RED}    {red}\n", {"double": "return 2 * $1"})
    assert answer.patched == {"lib.py::double"}, answer.said
    assert answer.code == 1
    assert set(answer.left) == {"tests/test_it.py::test_red"}
    assert answer.proved == {"tests/test_it.py::test_double", "tests/test_it.py::test_other"}


# --- a function that is written and wrong -------------------------------------------------------

LEDGER = """
    -- ledger.py
    class Book:
        def __init__(self, entries=()):
            self.entries = list(entries)

        @classmethod
        def load(cls, rows):
            return cls(amount for _, amount in rows)

        def balance(self) -> int:
            total = 0
            for entry in self.entries:
                total -= entry
            return total

        def last(self):
            return self.entries[0]
    -- tests/conftest.py
    import pytest
    from ledger import Book

    @pytest.fixture
    def book():
        return Book.load([("2024-01-01", 100), ("2024-02-01", -30)])
    -- tests/test_book.py
    from ledger import Book

    def test_balance(book):
        assert book.balance() == 70

    def test_empty():
        assert Book().balance() == 0

    def test_last(book):
        assert book.last() == -30

    def test_one():
        assert Book([3]).last() == 3
    """


def test_a_named_function_is_proved_by_the_failing_tests_that_enter_it(front: Front) -> None:
    words = ("--target", "ledger.py::Book.last")
    answer = check(front, LEDGER, {"ledger.py::Book.last": "return self.entries[-1]"}, *words)
    assert answer.proved == {"tests/test_book.py::test_last"}


def test_a_failing_test_of_written_functions_says_which_it_entered(front: Front) -> None:
    answer = front.solve(LEDGER, {})
    assert (answer.code, answer.patched, answer.changed) == (1, set(), set())
    assert set(answer.left) == {f"tests/test_book.py::test_{one}" for one in ("balance", "last")}
    for name in ("balance", "last"):
        why = answer.left[f"tests/test_book.py::test_{name}"]
        assert f"--target 'ledger.py::Book.{name}'" in why


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("assert lib.one() == 2", "AssertionError"),
        ("import surely_not_there", "surely_not_there"),
        ("open('gone.txt')", "gone.txt"),
        ("raise RuntimeError('not today')", "not today"),
        ("lib.one(1, 2, 3)", "takes 0 positional arguments"),
    ],
)
def test_what_is_left_alone_tells_the_error_and_the_place(
    test: str, told: str, front: Front
) -> None:
    lib = "-- lib.py\ndef one():\n    return 1\n"
    text = f"{lib}-- tests/test_it.py\nimport lib\n\n\ndef test_it():\n    {test}\n"
    answer = front.solve(text, {})
    assert (answer.code, answer.patched, answer.changed) == (1, set(), set())
    (why,) = answer.left.values()
    assert told in why
    assert "test_it.py:5" in why or told == "surely_not_there"


def test_a_hook_that_does_nothing_by_default_is_not_written(front: Front) -> None:
    text = """
        -- lib.py
        LOG = []
        class Storage:
            def close(self):
                "Release what it holds, if anything."
        class File(Storage):
            def close(self):
                LOG.append(1)
        class Memory(Storage):
            pass
        -- tests/test_it.py
        import lib
        def test_memory():
            lib.Memory().close()
            assert lib.LOG == [1]
        """
    answer = front.solve(text, {})
    assert (answer.code, answer.patched, answer.changed) == (1, set(), set())
    assert "--target 'lib.py::Storage.close'" in answer.left["tests/test_it.py::test_memory"]


# --- trace --------------------------------------------------------------------------------------

TRACED = """
    -- tr.py
    import functools

    class C:
        @property
        def v(self):
            return 5

        @v.setter
        def v(self, value):
            self.w = value

        class D:
            @staticmethod
            def s(x):
                return -x

    def gen(n):
        for one in range(n):
            yield one

    def logged(function):
        @functools.wraps(function)
        def inner(*args):
            return function(*args)
        return inner

    @logged
    def twice(x):
        return x + x

    TABLE = {"twice": twice}
    -- tests/test_tr.py
    import tr

    def test_setter():
        c = tr.C()
        c.v = 3
        assert c.w == 3

    def test_nested():
        assert tr.C.D.s(1) == -1

    def test_generator():
        assert list(tr.gen(3)) == [0, 1, 2]

    def test_table():
        assert tr.TABLE["twice"](2) == 4
    """


@pytest.mark.parametrize(
    ("test", "qualname", "first_line"),
    [
        ("test_setter", "C.v", 9),
        ("test_nested", "C.D.s", 14),
        ("test_generator", "gen", 17),
        ("test_table", "twice", 28),
    ],
)
def test_trace_follows_whatever_the_test_enters(
    test: str, qualname: str, first_line: int, front: Front
) -> None:
    answer = front.trace(TRACED, f"tests/test_tr.py::{test}")
    assert answer.code == 0, answer.said
    target = answer.json["target"]
    assert (target["qualname"], abs(target["start_line"] - first_line) <= 1) == (qualname, True)
    (seen,) = answer.json["tests"]
    assert seen["trace"]["events"]
