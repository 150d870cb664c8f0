"""Runs inside the sandbox, with the standard library only. It trusts nothing that it is sent to run."""
