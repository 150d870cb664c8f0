"""Lets ``python -m egbot`` start the command line. It knows no command."""

from egbot.cli import main

main()
