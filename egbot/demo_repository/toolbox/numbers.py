"""Helpers for numbers and lists of numbers."""


def largest(numbers):
    """Return the largest of numbers."""
    return max(numbers)


def average(numbers):
    """Return the mean of numbers, or 0 for an empty list."""
    raise NotImplementedError


def is_leap_year(year):
    """Return True if year is a leap year."""
    pass
