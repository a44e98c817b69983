"""What a pass tells of its components' shapes, against the twin."""

import numpy as np
import pytest

import reference
from inside import FULL, TIED, ArraySource, EStep
from test_kernel import CENTRED, LINEAR, NAMES, Twin, every_dtype, every_kernel, every_layout, problem, ways


def some_axes(mixture, seed=5):
    """Axes without symmetry or triangles."""
    axes = np.random.default_rng(seed).uniform(0.2, 0.8, size=mixture.whiteners.shape)
    return axes / np.sqrt(mixture.centres.shape[1]) if mixture.layout in (FULL, TIED) else axes


class ShapesTwin(Twin):
    """The same pass, and along axes what a component's rows add up to."""

    def __init__(self, rows, mixture, axes, weight=None):
        super().__init__(rows, mixture, weight)
        K, d = mixture.centres.shape
        name = NAMES[mixture.layout]
        whiteners = reference.dense(mixture.whiteners, name, K, d).astype(np.longdouble)
        joint = reference.whitened_log_joint(self.X, mixture.log_offset, mixture.centres, whiteners)
        self.log_rest = self.weight @ reference.log_rest(joint)
        written = reference.dense(axes, name, K, d)
        self.powers, unweighted = (
            reference.power_sums(self.X, self.responsibilities, each, mixture.centres, written)
            for each in (self.weight, np.ones(len(rows)))
        )
        self.scale = max(np.abs(unweighted).max() + self.weight.sum(), np.abs(self.powers).max())

    def assert_told_by(self, got, case=""):
        rest = self.weight.sum() + np.abs(self.log_rest).max()
        assert np.abs(got.log_rest - self.log_rest).max() <= 1e-10 * rest, case
        assert np.abs(got.powers - self.powers).max() <= 1e-10 * self.scale, case
        self.assert_matched_by(got.statistics, 1e-11, case)


@every_dtype
@every_layout
@pytest.mark.parametrize(("K", "d"), [(2, 1), (2, 3), (5, 7), (12, 2), (3, 50)])
def test_shapes_are_the_twins(name, dtype, K, d):
    rows, mixture = problem(name, K, d, n=150 if d > 40 else 400, dtype=dtype)
    axes = some_axes(mixture)
    for weight in (None, np.random.default_rng(1).integers(0, 3, len(rows)).astype(float)):
        expected = ShapesTwin(rows, mixture, axes, weight)
        for form, case in ways(dtype):
            if form in (CENTRED, LINEAR):
                got = EStep(ArraySource(rows, weight), mixture.layout, form=form).diagnostics(mixture, axes)
                expected.assert_told_by(got, case)


@every_kernel
def test_rows_that_one_component_owns_alone_lose_what_is_there_to_lose():
    """1 − r is exp(−2000) there: nothing that a difference or an underflow would know."""
    rows, mixture = problem("full", 3, 2, n=90)
    owned = rows[:30] + 60.0
    moved = mixture._replace(centres=np.concatenate([mixture.centres[:2], owned.mean(axis=0)[None]]))
    rows = np.concatenate([rows[30:], owned])
    got = EStep(ArraySource(rows), FULL).diagnostics(moved, some_axes(moved))
    ShapesTwin(rows, moved, some_axes(moved)).assert_told_by(got)
    assert got.log_rest[2] < -30 * 1000
