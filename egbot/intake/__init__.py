"""Turns what arrives from outside (a test run, a JUnit file, an issue text) into failing tests. It decides nothing about targets."""
