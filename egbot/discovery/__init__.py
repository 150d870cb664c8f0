"""Finds what failing tests need by running them."""
