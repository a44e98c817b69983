"""What tests of pages share."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _no_figure_left():
    """Close what a page has drawn: matplotlib warns of many open figures."""
    from matplotlib import pyplot as plt

    yield
    plt.close("all")
