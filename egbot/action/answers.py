"""Owns the short answers: a reaction at the start, and words where there is nothing to run.

It does not know what is answered. An answer is posted once for each request, however often the
workflow runs.
"""

from __future__ import annotations

from egbot.action.front import Pause
from egbot.action.runner import say
from egbot.errors import ForgeError
from egbot.forge import Forge
from egbot.publish.markers import REPORT, is_by, is_marked, own
from egbot.records import Trigger


def react(forge: Forge, trigger: Trigger) -> None:
    """Show with a pair of eyes that egbot has begun; without the right to, nothing is lost."""
    if trigger.number is None:
        return
    try:
        forge.react(trigger.number, "eyes", trigger.comment)
    except ForgeError as error:
        say(f"no reaction was left: {error.message}")


def answer(forge: Forge, pause: Pause) -> str:
    """Post the reply of ``pause`` unless it is there already; its address. Raises ForgeError."""
    trigger = pause.trigger
    if trigger is None or trigger.number is None:
        return ""
    key = f"{trigger.comment[0]}-{trigger.comment[1]}" if trigger.comment else pause.topic
    marker = f"<!-- egbot:answer:{key} -->"
    me = forge.me()
    comments = list(forge.comments(trigger.number))
    mine = own(comments, me, marker)
    if mine:
        return mine[0].url
    body = (
        f"{marker}\n@{trigger.actor} {pause.reply}"
        if trigger.comment
        else f"{marker}\n{pause.reply}"
    )
    if pause.topic == "explain":
        reports = [one.url for one in comments if is_by(one, me) and is_marked(one.body, REPORT)]
        here = f"The last one is [here]({reports[-1]})." if reports else "There is none here yet."
        body = f"{body}\n\n{here}"
    return forge.post_comment(trigger.number, body).url
