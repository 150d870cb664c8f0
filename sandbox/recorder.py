"""Recorders: objects that stand in for something missing and note all that happens to them.

Where Python forces a choice (truth, number, text, items) ``ask`` gives a default, or the answer that
a lesson has for this place in the source. What follows from a failure is ``lessons``' affair.
"""

# mypy: disable-error-code="explicit-override"

from __future__ import annotations

import ast
import dis
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

from sandbox.asking import (
    OWN_FOLDER,
    Frame,
    asker,
    calls_one_of,
    is_asserted,
    is_deaf,
    is_equal_to,
    is_hidden,
)
from sandbox.making import attribute, call, derive, make
from sandbox.noting import (
    Unwritten,
    ask,
    cut,
    expect,
    facts_of,
    is_approximate,
    is_recorder,
    note,
    seen,
)
from sandbox.stage import STAGE


def _hands_back(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call decorates a test, which the runner must still find."""
    target = args[0] if len(args) == 1 and not kwargs else None
    if not isinstance(target, (types.FunctionType, type)) or is_recorder(target):
        return False
    frame = asker()
    if frame is None or not target.__name__.lower().startswith("test"):
        return False
    code = getattr(target, "__code__", None)
    return code is None or frame.f_lineno <= code.co_firstlineno + 1


# --- the object -------------------------------------------------------------------------------


class Recorder(Unwritten):
    """Stands in for something missing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """``type(one)(...)``: a call of what it came from; recorders themselves are not made so."""
        number = int(re.sub(r"\D", "", cls.__name__) or 0)
        return call(facts_of(STAGE.by_number[number]).path.removesuffix("()"), args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Note the call; a decorated test comes back as it is."""
        facts = facts_of(self)
        if _hands_back(args, kwargs):
            note("decorate", self, args[0].__name__)
            return args[0]
        if len(args) == 3 and type(args[2]) is dict and "__qualname__" in args[2]:
            return self._make_class(*args)
        return call(facts.path, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__name__" or name == "__qualname__":
            return re.split(r"[:.]", facts_of(self).path)[-1]
        if is_hidden(name) or is_deaf(asker()):
            raise AttributeError(name)
        return attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        kids = facts_of(self).kids
        sight = note("set", self, name, args=[seen(value)])
        STAGE.state.last_set = (sight, kids, name, kids.get(name))
        kids[name] = value

    def __delattr__(self, name: str) -> None:
        note("delete", self, name)
        facts_of(self).kids.pop(name, None)

    def __iter__(self) -> Iterator[Any]:
        count = _unpacked(sys._getframe(1))  # noqa: SLF001
        if count is not None:
            expect(self, "unpacks", count)
        facts = facts_of(self)
        note("iterate", self, once=True)
        answer = ask("items", self, None)
        if isinstance(answer, str):
            items = list(ast.literal_eval(answer))
            expect(self, "iterates", items)
            return iter(items)
        if isinstance(answer, int):  # so many, still unknown
            count = answer
        number = 1 if count is None else min(count, 1000)
        facts.items = [derive(self, "item", f".__iter__()[{one}]") for one in range(number)]
        return iter(facts.items)

    def __next__(self) -> Any:
        kids, by_itself = facts_of(self).kids, is_called_for("next", "anext", "__next__")
        note("iterate", self, "next", once=not by_itself)
        if not by_itself:  # a loop, which is to end
            if ("", "left") not in kids:
                kids["", "left"] = iter(self)
            return next(kids["", "left"])
        kids["", "next"] = kids.get(("", "next"), -1) + 1
        return derive(self, "item", f".__next__()[{kids['', 'next']}]")

    def __aiter__(self) -> Any:
        note("iterate", self, "async", once=True)
        return self

    async def __anext__(self) -> Any:
        try:
            return self.__next__()
        except StopIteration:
            raise StopAsyncIteration from None

    def __reversed__(self) -> Iterator[Any]:
        return self.__iter__()

    def __getitem__(self, key: Any) -> Any:
        step = f"[{cut(seen(key)['text'])}]"
        kids = facts_of(self).kids
        if isinstance(key, int) and not is_recorder(key) and key > 1000:
            raise IndexError(key)
        note("item", self, step, once=True, args=[seen(key)])
        if ("[", step) not in kids:
            kids["[", step] = derive(self, "item", step)
        return kids["[", step]

    def __setitem__(self, key: Any, value: Any) -> None:
        note("operator", self, "setitem", args=[seen(key), seen(value)])
        facts_of(self).kids["[", f"[{cut(seen(key)['text'])}]"] = value

    def __delitem__(self, key: Any) -> None:
        note("operator", self, "delitem", args=[seen(key)])

    def __contains__(self, item: Any) -> bool:
        answer = bool(ask("bool", self, True))
        expect_truth(self, "contains" if answer else "lacks", item, "contains")
        return answer

    def __bool__(self) -> bool:
        answer = bool(ask("bool", self, True))
        expect_truth(self, "true" if answer else "false", answer)
        return answer

    def __set_name__(self, _owner: type, name: str) -> None:
        facts_of(self).kids["", "name"] = name

    def __get__(self, holder: Any, _owner: Any = None) -> Any:
        return getattr(holder, "__dict__", {}).get(facts_of(self).kids.get(("", "name")), self)

    def __set__(self, holder: Any, value: Any) -> None:
        note("operator", self, "set", args=[seen(value)])
        vars(holder)[facts_of(self).kids.get(("", "name"))] = value

    def __enter__(self) -> Any:
        note("enter", self)
        return derive(self, "enter", ".__enter__()")

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Any:
        note("enter", self, "async")
        return derive(self, "enter", ".__aenter__()")

    async def __aexit__(self, *_: object) -> None:
        return None

    def __await__(self) -> Any:
        facts = facts_of(self)
        note("await", self, once=True)
        if facts.how == "result":
            STAGE.state.adopt(facts.sight)["detail"] = "coroutine"
        yield from ()
        return make(facts.path, facts.key + " awaited", "awaited", facts.sight, facts.via)

    def __hash__(self) -> int:
        return id(self)

    def __str__(self, _spec: str = "") -> str:
        return self._as_text("str")

    __format__ = __str__

    def __repr__(self) -> str:
        frame = sys._getframe(1)  # noqa: SLF001
        file = frame.f_code.co_filename
        if file.startswith(OWN_FOLDER) or is_deaf(frame) or file.endswith("reprlib.py"):
            return f"<{facts_of(self).path}>"
        return self._as_text("repr")

    def _as_text(self, relation: str) -> str:
        answer = ask("text", self, None)
        if not isinstance(answer, str):
            return f"<{type(self).__name__}>"
        expect(self, relation, answer)
        return answer

    def __fspath__(self) -> str:
        note("operator", self, "fspath", once=True)
        return self._as_text("str")

    def __bytes__(self) -> bytes:
        note("operator", self, "bytes")
        return b""

    def __instancecheck__(self, value: Any) -> bool:
        answer = self.__subclasscheck__(value)
        if is_recorder(value):
            expect(value, "isinstance", self)
        return answer

    def __subclasscheck__(self, _value: Any) -> bool:
        note("class", self, once=True)
        return bool(ask("bool", self, True))

    def __deepcopy__(self, *_: Any) -> Any:
        return self

    __copy__ = __deepcopy__

    def __reduce_ex__(self, _protocol: Any) -> Any:
        raise TypeError(f"cannot pickle {facts_of(self).path}, which is unwritten")


def expect_truth(self: Any, relation: str, value: Any, operator: str = "") -> None:
    """Note what an assertion wants: that an ``if`` asks says no more than which operator."""
    frame = STAGE.ground.frame(asker())
    if frame is not None and is_asserted(frame):
        expect(self, relation, value)
    elif operator:
        note("operator", self, operator, once=True)


def is_called_for(*names: str) -> bool:
    """Whether the repository's code that runs now calls a function of one of these names."""
    return calls_one_of(STAGE.ground.frame(asker()), names)


def _unpacked(frame: Frame) -> int | None:
    """Into how many variables the frame takes a value apart now; None when it does not."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if not 0 <= at < len(code) - 1:
        return None
    operation, argument = dis.opname[code[at]], int(code[at + 1])
    if operation == "UNPACK_SEQUENCE":
        return argument
    return argument + 1 if operation == "UNPACK_EX" else None


_OPERATORS = (
    "add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod rdivmod pow rpow "
    "and rand or ror xor rxor neg pos abs invert lshift rlshift rshift rrshift matmul rmatmul round "
    "trunc floor ceil iadd isub imul ior iand ixor"
)


def _number(name: str, default: float) -> None:
    def method(self: Any) -> Any:
        answer = ask("number", self, default)
        frame = STAGE.ground.frame(asker())
        if frame is not None and is_equal_to(frame, name, answer):
            expect(self, name, answer)
        elif name != "len" or is_called_for("len"):  # and not for how much room a list may need
            note("operator", self, name, once=True)
        return max(0, int(answer)) if name == "len" else type(default)(answer)

    setattr(Recorder, f"__{name}__", method)


def _operator(name: str) -> None:
    def method(self: Any, *others: Any) -> Any:
        note("operator", self, name, once=True, args=[seen(one) for one in others])
        return derive(self, "op", f".__{name}__()")

    setattr(Recorder, f"__{name}__", method)


def _comparison(name: str, opposite: str) -> None:
    def method(self: Any, other: Any) -> bool:
        if other is self and name in ("eq", "le", "ge"):
            return True
        answer = bool(ask("bool", self, True))
        relation = name if answer else opposite
        approximate = name == "eq" and is_approximate(other)
        value = other.expected if approximate else other
        expect_truth(self, "approx" if approximate and answer else relation, value, name)
        if name == "eq" and is_recorder(other):
            expect_truth(other, relation, self, name)
        return answer

    setattr(Recorder, f"__{name}__", method)


for _name, _default in (("len", 1), ("int", 1), ("float", 1.0), ("index", 1), ("complex", 1j)):
    _number(_name, _default)  # type: ignore[arg-type]
for _name in _OPERATORS.split():
    _operator(_name)
for _name, _opposite in (
    pair.split() for pair in ("eq ne", "ne eq", "lt ge", "le gt", "gt le", "ge lt")
):
    _comparison(_name, _opposite)

STAGE.recorder = Recorder
