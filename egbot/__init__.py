"""egbot writes the function that failing tests ask for, line by line, and proves it in a sandbox."""

__version__ = "0.1.0"
