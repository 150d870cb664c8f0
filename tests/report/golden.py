"""Golden files: compare a text with the file of its name, or write it with EGBOT_REGENERATE=1."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "goldens"


def check(name: str, text: str) -> None:
    path = FOLDER / name
    if os.environ.get("EGBOT_REGENERATE") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{name} differs; look at it, then EGBOT_REGENERATE=1"
    )
