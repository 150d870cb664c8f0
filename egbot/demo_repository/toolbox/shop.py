"""A tiny shop: prices and baskets."""


def total(prices, tax=0):
    """Return the sum of prices plus tax."""
    ...


class Basket:
    """The things that a customer wants to buy, in order."""

    def __init__(self):
        self.items = []

    def add(self, item):
        """Put item into the basket."""
        self.items.append(item)

    def remove_last(self):
        """Remove and return the item that was added last; raise IndexError if there is none."""
        raise NotImplementedError("remove_last is still to be written")
