"""Reads and rewrites Python source: where a function is missing, and how to write it in byte by byte. It runs nothing."""
