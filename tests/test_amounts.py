"""Amounts in words."""

import pytest

from inside import amount, counted, percent, plus_minus


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
        (plus_minus([2.2, 107.25], [0.388, 0.4]), ["2.200 ± 0.388", "107.250 ± 0.400"]),
        (plus_minus([107.0], [23.3]), ["107.0 ± 23.3"]),
        (plus_minus([1.0, 2.0, 3.0], [30.0, 40.0, 0.001]), ["1.0 ± 30.0", "2.0 ± 40.0", "3.0 ± 0.001"]),
        (plus_minus([1e12], [2.5e11]), ["1e+12 ± 2.5e+11"]),
        (plus_minus([1.5], [float("inf")], 2), ["1.5 ± inf"]),
        (plus_minus([4.29], [0.0341], 2), ["4.290 ± 0.034"]),
    ],
)
def test_amounts(told, expected):
    assert told == expected
