"""Starts egbot from the action's own commit. Run with ``python -I``: nothing of the checked-out
repository, the user's site or PYTHONPATH can come before it.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from egbot.action.main import main

sys.exit(main())
