from toolbox.text import count_vowels


def test_counts_every_vowel():
    assert count_vowels("hello") == 2
    assert count_vowels("queue") == 4


def test_words_without_vowels():
    assert count_vowels("sky") == 0
    assert count_vowels("") == 0
