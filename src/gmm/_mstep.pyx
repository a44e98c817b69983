"""What is done between two passes, as Python sees it: parameters from moments, and the accelerated step."""
from libc.string cimport memcpy

from gmm._ascent cimport next_mixture, start_anew
from gmm._constraint cimport NONE, Constraint, constrain, is_known, layout_of, room_for_constraint
from gmm._lengths cimport expect, expect_matrix
from gmm._linear cimport Layout, is_layout, n_second
from gmm._moments cimport Moments, moments_size
from gmm._state cimport MEMORY, State, lay_out, room_for_state, weigh
from gmm._update cimport (
    Estimate,
    Family,
    begin,
    constrain_covariances,
    estimate_covariances,
    estimate_in,
    estimate_size,
    finish,
    log_offsets,
    log_prior,
    room_for_update,
    update_work,
)
from gmm._whitener cimport first_singular, matrix_size, n_matrices, whiten as whiten_all

import numpy as np


cdef double MOST_NUMBERS = 1e15       # of a family's parameters: sizes made of them do not overflow


cdef estimate_arrays(buffer, Layout layout, Py_ssize_t K, Py_ssize_t d):
    cdef Py_ssize_t size = n_second(layout, K, d), m = n_matrices(layout, K), covariances = K + K * d
    cdef Py_ssize_t whiteners = covariances + size, log_determinants = whiteners + size
    return (buffer[:K], buffer[K:covariances].reshape(K, d), buffer[covariances:whiteners],
            buffer[whiteners:log_determinants], buffer[log_determinants:log_determinants + m])

cdef moments_arrays(buffer, Py_ssize_t K, Py_ssize_t d, const Moments* moments):
    """A flat buffer of moments as arrays: origins, counts, first, second, log evidence and weight."""
    n = K * d
    return (buffer[:n].reshape(K, d), buffer[n:n + K], buffer[n + K:2 * n + K].reshape(K, d), buffer[2 * n + K:],
            moments.log_evidence, moments.weight)


cdef class MixtureFamily:
    """Which mixtures there are, and what a parameter update maximises over them.

    Parameters
    ----------
    layout : int
        The code of the layout of the covariances, and of the moments they are estimated from.
    constraint : int
        What constrains them beyond it, 0 for nothing: see `_constraint.pxd`.
    n_components, n_features : int
    ridge : float
        On the covariances' diagonals, before they are constrained.
    prior : tuple, optional
        Its mean (d,), scale (flat, one matrix in the layout), shrinkage, pseudocount and the constant of its log
        density: see `_update.pxd`.
    """

    def __cinit__(
        self, Layout layout, Constraint constraint, Py_ssize_t n_components, Py_ssize_t n_features, double ridge,
        prior=None,
    ):
        if (not is_layout(layout) or not is_known(constraint) or n_components < 1 or n_features < 1
                or <double>n_components * (n_components + <double>n_features * n_features) > MOST_NUMBERS
                or constraint != NONE and layout != layout_of(constraint)):
            shape = layout, constraint, n_components, n_features
            raise ValueError(f"expected a layout, a constraint on it, components and features, got {shape}")
        cdef Family* family = &self.family
        family.layout, family.constraint, family.ridge = layout, constraint, ridge
        family.K, family.d = n_components, n_features
        family.prior.mean = NULL
        self.told = layout, constraint, n_components, n_features, ridge, prior
        if prior is None:
            return
        self.mean, self.scale, family.prior.shrinkage, family.prior.pseudocount, family.prior.constant = prior
        expect("a prior's mean", self.mean.shape[0], n_features)
        expect("a prior's scale", self.scale.shape[0], matrix_size(layout, n_features))
        family.prior.mean, family.prior.scale = &self.mean[0], &self.scale[0]

    def __reduce__(self):
        return MixtureFamily, self.told

    @property
    def work(self):
        """Multiply-adds of an update, roughly."""
        return update_work(&self.family)

    @property
    def ridge(self):
        """On the covariances' diagonals."""
        return self.family.ridge

    def log_prior(
        self,
        const double[:, ::1] means,
        const double[::1] whiteners,
        const double[::1] log_determinants,
    ):
        """The prior's log density at a mixture; 0 without one."""
        cdef Estimate mixture
        expect_matrix("means", means, self.family.K, self.family.d)
        expect("whiteners", whiteners.shape[0], n_second(self.family.layout, self.family.K, self.family.d))
        expect("log_determinants", log_determinants.shape[0], n_matrices(self.family.layout, self.family.K))
        mixture.means, mixture.whiteners = <double*>&means[0, 0], <double*>&whiteners[0]
        mixture.log_determinants = <double*>&log_determinants[0]
        return log_prior(&self.family, &mixture)

    cdef bint takes(self, Layout layout, Py_ssize_t K, Py_ssize_t d):
        return self.family.layout == layout and self.family.K == K and self.family.d == d


cdef class Update:
    """The parameter update of a family.

    Parameters
    ----------
    family : MixtureFamily
    origins, counts, first, second, weight
        The moments; `second` flat.
    previous : flat array, optional
        The covariances before: where they have to be searched for, the search is never worse than these.
    """

    cdef MixtureFamily family
    cdef const double[:, ::1] origins, first
    cdef const double[::1] counts, second, previous
    cdef double[::1] buffer, room
    cdef Moments moments
    cdef Estimate estimate

    def __cinit__(
        self,
        MixtureFamily family not None,
        const double[:, ::1] origins,
        const double[::1] counts,
        const double[:, ::1] first,
        const double[::1] second,
        double weight,
        const double[::1] previous=None,
    ):
        cdef Moments* moments = &self.moments
        cdef Py_ssize_t K = family.family.K, d = family.family.d, size = n_second(family.family.layout, K, d)
        expect_matrix("origins", origins, K, d)
        expect("counts", counts.shape[0], K)
        expect_matrix("first", first, K, d)
        expect("second", second.shape[0], size)
        if previous is not None:
            expect("previous", previous.shape[0], size)
        self.family, self.previous = family, previous
        self.origins, self.counts, self.first, self.second = origins, counts, first, second
        # Nothing is written into them.
        moments.origins, moments.counts = <double*>&origins[0, 0], <double*>&counts[0]
        moments.first, moments.second = <double*>&first[0, 0], <double*>&second[0]
        moments.weight = weight
        self.buffer = np.empty(estimate_size(family.family.layout, K, d))
        self.room = np.empty(room_for_update(&family.family))
        self.estimate = estimate_in(&self.buffer[0], family.family.layout, K, d)
        begin(moments, &family.family, &self.estimate)

    @property
    def n_covariances(self):
        """How many there are: K, or 1 for all components."""
        return n_matrices(self.family.family.layout, self.family.family.K)

    def covariances(self, Py_ssize_t start, Py_ssize_t end):
        """Estimate covariances start … end − 1, not yet constrained; ranges apart may run in threads."""
        if not 0 <= start <= end <= self.n_covariances:
            raise ValueError(f"expected a range of {self.n_covariances} covariances, got {start} to {end}")
        with nogil:
            estimate_covariances(&self.moments, &self.family.family, start, end, &self.estimate)

    def constrain(self, Py_ssize_t start, Py_ssize_t end):
        """Bring them under the family's constraint: all at once, whatever the range."""
        cdef const double* previous = NULL if self.previous is None else &self.previous[0]
        with nogil:
            constrain_covariances(&self.family.family, previous, &self.room[0], &self.estimate)

    def finish(self):
        """The estimate, when all covariances have been estimated and constrained.

        Returns
        -------
        estimate : tuple
            Weights (K,), means (K, d), covariances and whiteners, both flat, and log|W|, (K,) or (1,).
        failed : int
            The first covariance that is not positive definite, −1 when there is none.
        """
        cdef const Family* family = &self.family.family
        cdef Py_ssize_t failed = finish(&self.moments, family, &self.estimate)
        return estimate_arrays(self.buffer.base, family.layout, family.K, family.d), failed


def whiten(Layout layout, const double[::1] matrices, Py_ssize_t d):
    """Whiteners W of positive definite matrices, Σ⁻¹ = WᵀW.

    Parameters
    ----------
    layout : int
    matrices : flat array of what `layout` stores
    d : int
        Features.

    Returns
    -------
    whiteners : flat array, lower triangular where they are matrices
    log_determinants : array of shape (K,) or (1,), log|W|
    failed : int
        The first matrix that is not positive definite, −1 when there is none.
    """
    if d < 1 or not is_layout(layout):
        raise ValueError(f"expected a layout from 0 to 3 and a feature at least, got {layout} and {d}")
    cdef Py_ssize_t size = matrix_size(layout, d), m = n_matrices(layout, max(1, matrices.shape[0] // size))
    expect("matrices", matrices.shape[0], m * size)
    whiteners, log_determinants = np.empty(matrices.shape[0]), np.empty(m)
    cdef double[::1] into = whiteners, sizes = log_determinants
    with nogil:
        whiten_all(layout, m, d, &matrices[0], &into[0], &sizes[0])
    return whiteners, log_determinants, first_singular(&sizes[0], m)


def log_offset(
    Layout layout,
    const double[::1] weights,
    const double[::1] whiteners,
    const double[::1] log_determinants,
    Py_ssize_t d,
    double noise=0.0,
):
    """What a pass adds for each component, log π_k + log|W_k| − d/2·log 2π − ½ noise tr Σ_k⁻¹: (K,)."""
    cdef Py_ssize_t K = weights.shape[0]
    if K < 1 or d < 1 or not is_layout(layout):
        raise ValueError(f"expected a layout from 0 to 3, a weight and a feature at least, got {layout}, {K} and {d}")
    expect("whiteners", whiteners.shape[0], n_second(layout, K, d))
    expect("log_determinants", log_determinants.shape[0], n_matrices(layout, K))
    offsets = np.empty(K)
    cdef double[::1] into = offsets
    log_offsets(layout, K, d, &weights[0], &whiteners[0], &log_determinants[0], noise, &into[0])
    return offsets


def constrained(
    Constraint constraint,
    const double[::1] covariances,
    const double[::1] counts,
    const double[::1] previous,
    Py_ssize_t d,
):
    """The most likely covariances under a constraint, from the most likely ones that are free.

    Parameters
    ----------
    constraint : int
        Its code in `_constraint.pxd`.
    covariances : flat array of (K,), (K, d) or (K, d, d)
    counts : array of shape (K,)
    previous : flat array like `covariances`, or None
        What an earlier call returned: to begin there.
    d : int
        Features.

    Returns
    -------
    covariances : flat array like those given
    found : bool
        Whether there is a solution.
    """
    cdef Py_ssize_t K = counts.shape[0], size = n_second(layout_of(constraint), K, d)
    if constraint == NONE or not is_known(constraint) or K < 1 or d < 1:
        raise ValueError(f"expected a constraint, a count and a feature at least, got {constraint}, {K} and {d}")
    expect("covariances", covariances.shape[0], size)
    if previous is not None:
        expect("previous", previous.shape[0], size)
    cdef bint found
    cdef const double* before = NULL if previous is None else &previous[0]
    result, room = np.array(covariances), np.empty(room_for_constraint(constraint, K, d))
    cdef double[::1] into = result, scratch = room
    with nogil:
        found = constrain(constraint, K, d, &counts[0], before, &into[0], &scratch[0])
    return result, bool(found)


cdef class Ascent:
    """Where an accelerated climb stands, and what it remembers: see `_ascent.pxd`.

    Parameters
    ----------
    family : MixtureFamily
        Its ridge is in the objective too: rows are seen through noise of that variance.
    tolerance : float
        Projected remaining gain to stop below, in nats per unit weight.
    thorough : bool
        Whether five passes in a row must say so, or three and the last by far; else one will do.
    """

    def __cinit__(self, MixtureFamily family not None, double tolerance, bint thorough):
        self.family = family
        self.state.family = family.family
        self.state.tolerance, self.state.thorough = tolerance, thorough
        self.room = np.zeros(room_for_state(&self.state.family))
        lay_out(&self.state, &self.room[0])
        start_anew(&self.state)

    def __reduce__(self):
        cdef State* state = &self.state
        shape = self.family, state.tolerance, bool(state.thorough)
        told = (state.trying, state.n_pairs, state.n_passes, state.radius, state.objective, state.rounding,
                (state.gains[0], state.gains[1], state.gains[2]), state.n_gains, state.since_negative, state.streak,
                state.newton, state.remaining, state.fall, state.converged, state.stuck, state.held.log_evidence,
                state.held.weight)
        return Ascent, shape, (told, np.array(self.room))

    def __setstate__(self, saved):
        cdef State* state = &self.state
        cdef State read = self.state
        cdef const double[::1] room
        told, room = saved
        (read.trying, read.n_pairs, read.n_passes, read.radius, read.objective, read.rounding, gains,
         read.n_gains, read.since_negative, read.streak, read.newton, read.remaining, read.fall,
         read.converged, read.stuck, read.held.log_evidence, weight) = told
        weigh(&read, weight)
        read.gains[0], read.gains[1], read.gains[2] = gains
        expect("the room of an ascent", room.shape[0], self.room.shape[0])
        if not 0 <= read.n_pairs <= MEMORY:
            raise ValueError(f"expected an ascent of up to {<int>MEMORY} secants, got {read.n_pairs}")
        state[0] = read
        self.room[:] = room

    cdef bint fits(self, Layout layout, Py_ssize_t K, Py_ssize_t d):
        return self.family.takes(layout, K, d)

    @property
    def work(self):
        """Multiply-adds of a parameter update, roughly."""
        return self.family.work

    @property
    def converged(self):
        """Whether the projected remaining gain has been below the tolerance for long enough, or EM's own step fell."""
        return bool(self.state.converged)

    @property
    def stuck(self):
        """Whether the update after the last pass needs help: see `begin`."""
        return bool(self.state.stuck)

    @property
    def tolerance(self):
        """Projected remaining gain to stop below, in nats per unit weight."""
        return self.state.tolerance

    @tolerance.setter
    def tolerance(self, double value):
        if value != self.state.tolerance:
            self.state.tolerance, self.state.streak, self.state.converged = value, 0, False

    @property
    def remaining(self):
        """Projected remaining gain, in nats per unit weight."""
        return self.state.remaining

    @property
    def fall(self):
        """What EM's own step would lower the objective by, and ended the climb; 0 where it did not."""
        return self.state.fall

    def begin(
        self,
        const double[::1] weights,
        const double[:, ::1] means,
        const double[::1] covariances,
        const double[::1] whiteners,
        const double[::1] log_determinants,
    ):
        """Forget what came before and measure this mixture next; matrices are flat."""
        cdef State* state = &self.state
        cdef Estimate* first = &state.trial
        cdef Layout layout = state.family.layout
        cdef Py_ssize_t K = state.family.K, d = state.family.d, size = n_second(layout, K, d)
        expect("weights", weights.shape[0], K)
        expect_matrix("means", means, K, d)
        expect("covariances", covariances.shape[0], size)
        expect("whiteners", whiteners.shape[0], size)
        expect("log_determinants", log_determinants.shape[0], n_matrices(layout, K))
        memcpy(first.weights, &weights[0], K * sizeof(double))
        memcpy(first.means, &means[0, 0], K * d * sizeof(double))
        memcpy(first.covariances, &covariances[0], size * sizeof(double))
        memcpy(first.whiteners, &whiteners[0], size * sizeof(double))
        memcpy(first.log_determinants, &log_determinants[0], log_determinants.shape[0] * sizeof(double))
        log_offsets(layout, K, d, first.weights, first.whiteners, first.log_determinants, state.family.ridge,
                    first.log_offset)
        start_anew(state)

    def measured(self):
        """The mixture of the last accepted pass, as `Update` returns it."""
        cdef const Family* family = &self.state.family
        n = estimate_size(family.layout, family.K, family.d)
        return estimate_arrays(np.array(<double[:n]>self.state.best.weights), family.layout, family.K, family.d)

    def next(self):
        """The mixture to measure next, as a pass reads it: offsets, centres, whiteners (flat), their layout's code."""
        cdef const Estimate* mixture = next_mixture(&self.state)
        cdef Layout layout = self.state.family.layout
        cdef Py_ssize_t K = self.state.family.K, d = self.state.family.d, size = n_second(layout, K, d)
        flat = np.empty(K + K * d + size)
        cdef double[::1] into = flat
        memcpy(&into[0], mixture.log_offset, K * sizeof(double))
        memcpy(&into[K], mixture.means, K * d * sizeof(double))
        memcpy(&into[K + K * d], mixture.whiteners, size * sizeof(double))
        return flat[:K], flat[K:K + K * d].reshape(K, d), flat[K + K * d:], <int>layout

    def moments(self):
        """Of the last accepted pass, as `Pass.collect` returns them; its evidence is the objective."""
        cdef const Family* family = &self.state.family
        n = moments_size(family.layout, family.K, family.d)
        return moments_arrays(np.array(<double[:n]>self.state.held.origins), family.K, family.d, &self.state.held)
