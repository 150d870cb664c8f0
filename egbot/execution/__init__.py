"""Runs programs in a sandbox and brings their traces back. It does not judge them."""
