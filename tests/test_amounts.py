"""Amounts in words."""

import pytest

from gmm._text.amounts import amount, counted, percent


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (counted(1, "row"), "1 row"),
        (counted(0, "row"), "0 rows"),
        (counted(12345, "row"), "12,345 rows"),
        (counted(2, "pass", "passes"), "2 passes"),
        (amount(1234567.0), "1,234,567"),
        (amount(1234.56), "1,234.6"),
        (percent(0.213), "21\N{NO-BREAK SPACE}%"),
        (percent(0.00351), "0.35\N{NO-BREAK SPACE}%"),
        (percent(0.2134, 1), "21.3\N{NO-BREAK SPACE}%"),
    ],
)
def test_amounts(told, expected):
    assert told == expected
