"""Shipped fakes of the ports: a decoder that follows a script, a sandbox without a sandbox.

They know neither torch nor Docker, so that the line loop, the pipeline and the command line can be
run and tested anywhere. Nothing here may be given code that nobody has read.
"""

from egbot.testing.replay import ReplayExecutor, ReplaySandbox
from egbot.testing.scripted import Script, ScriptedDecoder, ScriptedSession, ScriptError, pieces

__all__ = [
    "ReplayExecutor",
    "ReplaySandbox",
    "Script",
    "ScriptError",
    "ScriptedDecoder",
    "ScriptedSession",
    "pieces",
]
