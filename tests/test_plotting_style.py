"""The palette: told apart by everyone, and in grey."""

import numpy as np
import pytest

from inside import colours

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(shades, seen_as=None):
    """CIE L*a*b* of sRGB colours (n, 3), as seen with a kind of colour blindness."""
    linear = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    if seen_as is not None:
        linear = np.clip(linear @ np.transpose(seen_as), 0, 1)
    ratio = linear @ XYZ.T / [0.9505, 1, 1.089]
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("seen_as", [None, PROTANOPIA, DEUTERANOPIA], ids=["all", "protanopia", "deuteranopia"])
def test_eight_components_are_told_apart(seen_as):
    places = lab(colours(8), seen_as)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert distances[~np.eye(8, dtype=bool)].min() > 20  # a difference of 2 is just seen


def test_neighbours_differ_in_grey_and_all_are_seen_on_white_paper():
    lightness = lab(colours(8))[:, 0]
    assert np.abs(np.diff(np.append(lightness, lightness[0]))).min() > 14
    assert 20 < lightness.min() < lightness.max() < 76


def test_colours_are_the_components_own():
    np.testing.assert_array_equal(colours(20)[:3], colours(3))
    assert len(np.unique(colours(24), axis=0)) == 24
    assert ((colours(100) >= 0) & (colours(100) <= 1)).all()
