import unittest

import pytest

from toolbox.shop import Basket, total


@pytest.fixture
def basket():
    basket = Basket()
    basket.add("tea")
    basket.add("milk")
    return basket


def test_add(basket):
    assert basket.items == ["tea", "milk"]


def test_remove_last(basket):
    assert basket.remove_last() == "milk"
    assert basket.items == ["tea"]


def test_remove_last_from_an_empty_basket():
    with pytest.raises(IndexError):
        Basket().remove_last()


class TotalTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total([1, 2, 3]), 6)

    def test_tax(self):
        self.assertEqual(total([10], tax=2), 12)
