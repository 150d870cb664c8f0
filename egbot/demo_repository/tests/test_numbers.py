import pytest

from toolbox.numbers import average, even_numbers, is_leap_year, largest


def test_largest():
    assert largest([1, 5, 3]) == 5


@pytest.mark.parametrize(
    "numbers, expected",
    [([1, 2, 3], 2), ([5], 5), ([], 0)],
)
def test_average(numbers, expected):
    assert average(numbers) == expected


def test_even_numbers():
    assert even_numbers([1, 2, 3, 4]) == [2, 4]
    assert even_numbers([]) == []


def test_is_leap_year():
    assert is_leap_year(2024) is True
    assert is_leap_year(2023) is False
    assert is_leap_year(2000) is True
    assert is_leap_year(1900) is False
