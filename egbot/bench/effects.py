"""Owns how a benchmark gets its sandboxes, its model and its packages, each of them once.

It does not know what they are used for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from egbot.bench.packages import package_tree
from egbot.bench.solving import Tools
from egbot.bench.tasks import BlankedFunction
from egbot.config import Settings
from egbot.dependencies import detect
from egbot.engine.model import load
from egbot.execution.options import options_of
from egbot.execution.select import choose
from egbot.ports import Decoder, Sandbox
from egbot.records import Tree
from egbot.testing import Script, ScriptedDecoder

Say = Callable[[str], None]


def _sandbox(settings: Settings, tree: Tree, say: Say) -> Sandbox:
    return choose(tree, options_of(settings.sandbox), say)


def _decoder(settings: Settings, say: Say) -> Decoder:
    return load(settings.model, settings.device, report=say)


@dataclass(frozen=True, slots=True)
class Effects:
    """How a run gets its sandbox, its model and a package's files."""

    make_sandbox: Callable[[Settings, Tree, Say], Sandbox] = _sandbox
    load_decoder: Callable[[Settings, Say], Decoder] = _decoder
    package: Callable[[BlankedFunction], Tree] = package_tree


def make_tools(
    settings: Settings, say: Say, effects: Effects | None, find_only: bool, oracle: bool = False
) -> Tools:
    """Tools that make everything once: one sandbox for all trees of the same dependencies.

    With ``find_only`` or ``oracle`` no model is loaded.
    """
    effects = effects or Effects()
    sandboxes: dict[str, Sandbox] = {}
    decoders: list[Decoder] = [ScriptedDecoder(Script(""))] if find_only or oracle else []
    trees: dict[BlankedFunction, Tree] = {}

    def sandbox(tree: Tree) -> Sandbox:
        key = repr(detect(tree))
        if key not in sandboxes:
            sandboxes[key] = effects.make_sandbox(settings, tree, say)
        return sandboxes[key]

    def decoder() -> Decoder:
        if not decoders:
            decoders.append(effects.load_decoder(settings, say))
        return decoders[0]

    def package(work: BlankedFunction) -> Tree:
        key = BlankedFunction(work.package, work.version, work.sha256, work.path, "")
        if key not in trees:
            trees[key] = effects.package(work)
        return trees[key]

    return Tools(sandbox, decoder, package, find_only, oracle)
