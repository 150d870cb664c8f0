"""Lets ``python -m egbot`` start the command line. It knows no command."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the folder that one stands in: its files must not be taken for modules

from egbot.cli import main

main()
