"""The work before and between passes, as Python sees it.

These are parameters from moments, the accelerated step, the `DegeneracyCheck` of components (see `degenerate.pxd`), and
first looks at rows.
"""
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.float cimport DBL_EPSILON, FLT_EPSILON
from libc.math cimport INFINITY, M_PI, fabs, isfinite, log, log1p, rint, sqrt
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

cimport gmm._kernel.constraint as solutions
cimport gmm._kernel.factors as factors
cimport gmm._kernel.low_rank as low_rank
cimport gmm._kernel.objective as objectives
cimport gmm._kernel.quasi_newton as quasi_newton
cimport gmm._kernel.ratio as ratio
cimport gmm._kernel.update as update
cimport gmm._kernel.variational as expectations
from gmm._kernel.arrays cimport (
    check_factors, check_ratio, copied, copy_statistics, estimate_arrays, moments_arrays, view_estimate,
)
from gmm._kernel.checks cimport expect, expect_matrix
from gmm._kernel.constraint cimport constrain, constrained_layout, constraint_workspace_size
from gmm._kernel.degenerate cimport (
    RIDGES, TIES, VALID, DegeneracyInput, DegeneracyRule, degeneracy_workspace_size, find_causes, lay_out_degeneracy,
    may_be_degenerate, thinnest, total_spread, variance, worth_of_bound,
)
from gmm._kernel.estimate cimport Estimate, copy_estimate, estimate_in, estimate_size
from gmm._kernel.family cimport (
    NO_TAILS, Constraint, Family, FreeTails, NoisePrior, Objective, has_noise, likelihood, rest_of,
    unconstrained,
)
from gmm._kernel.layout cimport (
    DIAGONAL, FULL, LOW_RANK, SPHERICAL, Layout, component_stride, is_dense, is_layout, is_low_rank, matrix_size,
    n_matrices, total_size,
)
from gmm._kernel.merging cimport combine, evidence_of_empty, promise_of
from gmm._kernel.moments cimport Moments, any_empty, halve, moments_in, moments_size
from gmm._kernel.objective cimport adds_rows, evidence_bound, is_bound, log_offsets, posterior
from gmm._kernel.quasi_newton cimport plain_bound, set_weight, start_anew
from gmm._kernel.rows cimport Rows, data, describe_rows
from gmm._kernel.seeding cimport Item, merge_equal, size_to_sort, sort_by_value
from gmm._kernel.solver_state cimport MEMORY, State, lay_out, next_mixture, pickled_size, state_buffer_size
from gmm._kernel.update cimport (
    constrain_covariances, estimate_covariances, finish, keep_covariances, keep_weights_and_means, raise_ridges,
    start_update, update_work,
)
from gmm._kernel.whitener cimport first_singular, half_square, invert as invert_all, whiten as whiten_all

import functools
from copy import copy

import numpy as np


cdef double LEAST_TIES = log(1 + 6 / M_PI) / 2         # nats per row, with which a component is as narrow as a step
cdef double ON_A_PLANE = 0.01         # deviations of a component that rows lie apart, but for the rounding of an axis
cdef double NEAREST = 0.1             # times the rows on a value, and rows next to it show its step
cdef double LEAST_WEIGHT = 1e-300     # of a component in a constraint: its share of a covariance may be divided by it
cdef double MOST_NUMBERS = 1e15       # in a family's parameters: sizes computed from them do not overflow

cdef class NullContext:
    """A context that changes nothing; that of `contextlib` costs two calls of Python each time."""

    def __enter__(self):
        return None

    def __exit__(self, *_):
        return None


class cached_property(functools.cached_property):  # used as a decorator
    """`functools.cached_property` without the lock of Python 3.11, which all objects of a class share.

    Its holder may wait for a thread that reads another object, and after a fork it is locked for ever. Threads that
    read at once compute side by side, and all get the value of the first to finish.
    """

    def __get__(self, instance, owner=None):
        """Compute the value, and store it in the object."""
        if instance is None:
            return self
        return vars(instance).setdefault(self.attrname, self.func(instance))


def identity(value):
    """Return the value: the getter of a property that is its object."""
    return value


cdef enum:
    FACTOR = 10                       # the row of diagonal noise with factors

# Each constraint on a layout; its code is its number here, from 1 on. `gmm._values.covariance` names them.
cdef Constraint[14] CONSTRAINTS = [
    Constraint(SPHERICAL, False, solutions.no_workspace, solutions.solve_eii, False, NULL),
    Constraint(DIAGONAL, False, solutions.no_workspace, solutions.solve_eei, False, NULL),
    Constraint(DIAGONAL, True, solutions.diagonal_workspace, solutions.solve_vei, False, NULL),
    Constraint(DIAGONAL, False, solutions.no_workspace, solutions.solve_evi, False, NULL),
    Constraint(FULL, True, solutions.dense_workspace, solutions.solve_vee, False, NULL),
    Constraint(FULL, False, solutions.dense_workspace, solutions.solve_eve, False, NULL),
    Constraint(FULL, True, solutions.dense_workspace, solutions.solve_vve, False, NULL),
    Constraint(FULL, False, solutions.dense_workspace, solutions.solve_eev, False, NULL),
    Constraint(FULL, True, solutions.dense_workspace, solutions.solve_vev, False, NULL),
    Constraint(FULL, False, solutions.dense_workspace, solutions.solve_evv, False, NULL),
    Constraint(FULL, True, factors.factors_workspace_size, NULL, False, factors.solve_factor),
    Constraint(FULL, True, factors.factors_workspace_size, NULL, True, factors.solve_ppca),
    Constraint(LOW_RANK, True, low_rank.low_rank_workspace_size, NULL, False, low_rank.solve_low_rank),
    Constraint(LOW_RANK, True, low_rank.low_rank_workspace_size, NULL, True, low_rank.solve_low_rank),
]


cdef const Constraint* constraint_of(int code) except? NULL:
    """Return the constraint of this code; NULL for 0, which is none."""
    if not 0 <= code <= <int>(sizeof(CONSTRAINTS) // sizeof(CONSTRAINTS[0])):
        raise ValueError(f"expected the code of a constraint, or 0 for none, got {code}")
    return &CONSTRAINTS[code - 1] if code > 0 else NULL


cdef double parameter_term(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* mixture,
) noexcept nogil:
    return objectives.parameter_term(objective, layout, K, d, mixture)


cdef Py_ssize_t update_workspace_size(const Family* family) noexcept nogil:
    return update.update_workspace_size(family)


cdef Py_ssize_t most_likely(
    const Moments* moments, const Family* family, double noise, const Estimate* before, double* workspace,
    Estimate* out,
) noexcept nogil:
    return update.most_likely(moments, family, noise, before, workspace, out)


cdef void add_pass(
    State* state, const Moments* moments, double rounding, bint repair_empty, double* record,
) noexcept nogil:
    quasi_newton.add_pass(state, moments, rounding, repair_empty, record)


cdef int check_parts(const Family* family, const double[::1] weights, const double[::1] precisions) except -1:
    """Raise unless weights and precisions, flat, are those of mixtures of a family that stores covariances whole."""
    if is_low_rank(family.layout):
        raise ValueError("expected a layout of whole covariances for precisions, got factors and noise")
    expect("weights", weights.shape[0], family.K)
    expect("precisions", precisions.shape[0], total_size(family.layout, family.K, family.d))
    return 0


cdef Py_ssize_t covariances_at(
    const Family* family,
    const double* weights, const double* precisions,       # IN
    double* workspace,                             # scratch: see `update_workspace_size`
    Estimate* out,                                 # OUT covariances, their whiteners and log|W|
) noexcept nogil:
    """Invert precisions and bring the inverses, of components of these weights, under the family's constraint.

    Return the first matrix that is not positive definite, −1 where all are.
    """
    cdef Layout layout = family.layout
    cdef Py_ssize_t m = n_matrices(layout, family.K), d = family.d, k
    cdef Py_ssize_t failed = invert_all(layout, m, d, precisions, out.whiteners, out.log_determinants, out.covariances)
    cdef NoisePrior prior = likelihood().factor_noise
    if failed >= 0:
        return failed
    if family.constraint != NULL:
        for k in range(family.K):
            workspace[k] = max(weights[k], LEAST_WEIGHT)
        if not constrain(family.constraint, family.K, d, family.n_factors, 0, &prior, workspace, NULL, out.covariances,
                         workspace + family.K):
            return 0
    whiten_all(layout, m, d, out.covariances, out.whiteners, out.log_determinants)
    return first_singular(out.log_determinants, m)


cdef class MixtureFamily:
    """The mixtures to choose from, and what a parameter update maximises over them.

    Parameters
    ----------
    layout : int
        The code of the layout of covariances, and of the second moments that they are estimated from.
    constraint : int
        Its number in `CONSTRAINTS`, from 1 on; 0 for none beyond the layout.
    n_components, n_features : int
    ridge : float
        Added to the covariances' diagonals before they are constrained, in squared units of the data.
    prior : PriorMoments, optional
        A conjugate prior: its mean (d,), scale (flat, one covariance), shrinkage, pseudocount and the constant of its
        log density. None maximises the likelihood: see `objective.pxd`.
    weights_prior : tuple of (float, bool, float), optional
        With it, the evidence bound of a variational posterior is maximised: the concentration of the weights' prior,
        whether that breaks sticks, and the weight of all rows. A mixture's weights are then the shares of the rows.
    log_noise : float, optional
        Log density of uniform noise, to which rows belong with the weight that the components leave; −∞ for none.
    owners : array of int, (K,), optional
        The class of each component, equal ones side by side: only components of one class are merged.
    n_factors : int, optional
        Factors of each covariance, at least 1 and fewer than the features, where the constraint has them; else 0.
    max_ratio : float, optional
        At least 1: limit of the ratio of the eigenvalues of all covariances, where these are free; ∞ for none.
    tails : array of shape (K,), optional
        ν of Student-t components; None if they are normal.
    free_tails : int, optional
        Which of these are estimated: 0 none, 1 one for all components, 2 one for each.
    fixed : array of uint8, (3, K), optional
        1 for each weight, mean and covariance that is fixed; those of a constraint on all of them together.

    Raises
    ------
    ValueError
        If a code is unknown, the constraint is on another layout, or the sizes are out of range.
    """

    def __cinit__(
        self, Layout layout, int constraint, Py_ssize_t n_components, Py_ssize_t n_features,
        double ridge, prior=None, weights_prior=None, double log_noise=-INFINITY, const int[::1] owners=None,
        Py_ssize_t n_factors=0, double max_ratio=INFINITY, const double[::1] tails=None,
        FreeTails free_tails=NO_TAILS, const unsigned char[:, ::1] fixed=None,
    ):
        cdef const Constraint* row = constraint_of(constraint)
        if (not is_layout(layout) or n_components < 1 or n_features < 1
                or <double>n_components * (n_components + <double>n_features * n_features) > MOST_NUMBERS
                or row == NULL and is_low_rank(layout)
                or row != NULL and layout != constrained_layout(row, n_factors)):
            shape = layout, constraint, n_components, n_features
            raise ValueError(f"expected a layout, a constraint on it, components and features, got {shape}")
        check_factors(row, n_factors, n_features)
        check_ratio(max_ratio, layout, n_components, row)
        if owners is not None:
            expect("owners", owners.shape[0], n_components)
        cdef Family* family = &self.family
        family.layout, family.constraint, family.max_ratio, family.ridge = layout, row, max_ratio, ridge
        family.K, family.d, family.n_factors = n_components, n_features, n_factors
        family.owners = NULL if owners is None else &owners[0]
        family.objective, family.fixed = likelihood(), NULL
        self.owners = owners
        if fixed is not None:
            if fixed.shape[0] != 3 or fixed.shape[1] != n_components or is_low_rank(layout):
                raise ValueError(f"expected entries of 'fixed' of shape {(3, n_components)}, and whole covariances")
            self.fixed, family.fixed = fixed, &fixed[0, 0]
        self.arguments = (layout, constraint, n_components, n_features, ridge, prior, weights_prior, log_noise,
                          None if owners is None else np.asarray(owners), n_factors, max_ratio,
                          None if tails is None else np.asarray(tails), free_tails,
                          None if fixed is None else np.asarray(fixed))
        if prior is not None:
            self.set_prior(prior, weights_prior)
        family.objective.log_noise = log_noise
        if tails is not None:
            expect("tails", tails.shape[0], n_components)
            self.tails = tails
            family.objective.tails, family.objective.free_tails = &tails[0], free_tails

    cdef set_prior(self, prior, weights_prior):
        cdef Family* family = &self.family
        cdef Layout layout = family.layout
        self.mean, self.scale, shrinkage, pseudocount, constant = prior
        expect("a prior's mean", self.mean.shape[0], family.d)
        # In the low-rank layout it is that of the noise.
        expect("a prior's scale", self.scale.shape[0],
               family.d if is_low_rank(layout) else matrix_size(layout, family.d))
        if weights_prior is None:
            family.objective = posterior(layout, family.K, &self.mean[0], &self.scale[0], shrinkage, pseudocount,
                                         constant)
        else:
            concentration, sticks, weight = weights_prior
            family.objective = evidence_bound(&self.mean[0], &self.scale[0], shrinkage, pseudocount, constant,
                                              concentration, sticks, weight)

    def __reduce__(self):
        return MixtureFamily, self.arguments

    @property
    def work(self):
        """Multiply-adds of an update, roughly."""
        return update_work(&self.family)

    def parameter_term(
        self,
        const double[::1] weights,
        const double[:, ::1] means,
        const double[::1] whiteners,
        const double[::1] log_determinants,
    ):
        """Return what is added to the log evidence: the log density of the prior, or −KL; 0 without a prior."""
        cdef Family* family = &self.family
        cdef Layout layout = family.layout
        cdef Estimate mixture
        expect("weights", weights.shape[0], family.K)
        expect_matrix("means", means, family.K, family.d)
        expect("whiteners", whiteners.shape[0], total_size(layout, family.K, family.d))
        expect("log_determinants", log_determinants.shape[0], n_matrices(layout, family.K))
        mixture.weights, mixture.means = <double*>&weights[0], <double*>&means[0, 0]
        mixture.whiteners, mixture.log_determinants = <double*>&whiteners[0], <double*>&log_determinants[0]
        return parameter_term(&family.objective, layout, family.K, family.d, &mixture)

    def at_precisions(self, const double[::1] weights, const double[::1] precisions):
        """Return the covariances that are nearest to the inverses of matrices: see `covariances_at`.

        Returns
        -------
        covariances, whiteners : flat arrays
        log_determinants : array of shape (K,) or (1,), log|W|
        failed : int
            The first matrix that is not positive definite, −1 where all are.
        """
        cdef const Family* family = &self.family
        cdef Py_ssize_t m = n_matrices(family.layout, family.K), failed
        cdef Estimate out
        check_parts(family, weights, precisions)
        numbers, sizes = np.empty((2, precisions.shape[0])), np.empty(m)
        cdef double[:, ::1] into = numbers
        cdef double[::1] determinants = sizes, workspace = np.empty(update_workspace_size(family))
        out.covariances, out.whiteners, out.log_determinants = &into[0, 0], &into[1, 0], &determinants[0]
        with nogil:
            failed = covariances_at(family, &weights[0], &precisions[0], &workspace[0], &out)
        return *numbers, sizes, failed

    def with_fixed(self, estimate, before):
        """Return an estimate with the fixed parameters of another."""
        cdef const Family* family = &self.family
        cdef Py_ssize_t K = family.K, d = family.d, m = n_matrices(family.layout, K)
        buffer = np.empty(estimate_size(family.layout, K, d))
        cdef double[::1] view = buffer
        cdef Estimate now = view_estimate(estimate, family.layout, K, d)
        cdef Estimate then = view_estimate(before, family.layout, K, d)
        cdef Estimate out = estimate_in(&view[0], family.layout, K, d)
        copy_estimate(family.layout, K, d, &now, &out)
        keep_covariances(family, &then, 0, m, &out)
        keep_weights_and_means(family, &then, &out)
        return estimate_arrays(buffer, family.layout, K, d)

    cdef bint matches(self, Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d):
        """Return whether mixtures and moments of these layouts and shape are the family's."""
        return (self.family.layout == layout and self.family.layout == moments
                and self.family.K == K and self.family.d == d)


cdef class Update:
    """One parameter update, whose covariances may be estimated in threads.

    Parameters
    ----------
    family : MixtureFamily
    origins, counts, first, second, weight
        The moments; `second` flat.
    previous : tuple, optional
        The estimate before, as `finish` returns it: it has what is fixed, and where the update is a search, its result
        is at least as likely.
    precision : array of shape (K,), optional
        Sums of components with heavy tails: see `tails.pxd`.
    """

    cdef MixtureFamily family
    cdef const double[:, ::1] origins, first
    cdef const double[::1] counts, second, precision
    cdef double[::1] buffer, workspace
    cdef Moments moments
    cdef Estimate estimate, previous
    cdef const Estimate* before            # NULL, or `previous`, which points into …
    cdef object arrays

    def __cinit__(
        self,
        MixtureFamily family not None,
        const double[:, ::1] origins,
        const double[::1] counts,
        const double[:, ::1] first,
        const double[::1] second,
        double weight,
        tuple previous=None,
        const double[::1] precision=None,
    ):
        cdef Moments* moments = &self.moments
        cdef Layout layout = family.family.layout
        cdef Py_ssize_t K = family.family.K, d = family.family.d
        expect_matrix("origins", origins, K, d)
        expect("counts", counts.shape[0], K)
        expect_matrix("first", first, K, d)
        expect("second", second.shape[0], total_size(family.family.layout, K, d))
        self.before = NULL
        if previous is not None:
            self.arrays, self.previous = previous, view_estimate(previous, layout, K, d)
            self.before = &self.previous
        self.family = family
        self.origins, self.counts, self.first, self.second = origins, counts, first, second
        # The moments are only read.
        moments.origins, moments.counts = <double*>&origins[0, 0], <double*>&counts[0]
        moments.first, moments.second = <double*>&first[0, 0], <double*>&second[0]
        moments.weight, moments.precision = weight, NULL
        if precision is not None:
            expect("precision", precision.shape[0], K)
            self.precision, moments.precision = precision, <double*>&precision[0]
        elif family.family.objective.free_tails:
            raise ValueError("expected the sums of `tails.pxd` in 'precision' for tails that are estimated")
        self.buffer = np.empty(estimate_size(layout, K, d))
        self.workspace = np.empty(update_workspace_size(&family.family))
        self.estimate = estimate_in(&self.buffer[0], layout, K, d)
        start_update(moments, &family.family, self.before, &self.estimate)

    @property
    def n_covariances(self):
        """Number of covariances: K, or 1 for one that all components share."""
        return n_matrices(self.family.family.layout, self.family.family.K)

    def covariances(self, Py_ssize_t start, Py_ssize_t end):
        """Estimate covariances start … end − 1, free of the constraint; disjoint ranges may run in threads."""
        if not 0 <= start <= end <= self.n_covariances:
            raise ValueError(f"expected a range of {self.n_covariances} covariances, got {start} to {end}")
        with nogil:
            estimate_covariances(&self.moments, &self.family.family, self.before, start, end, &self.estimate)

    def constrain(self, Py_ssize_t start, Py_ssize_t end):
        """Bring all covariances under the family's constraint, whatever the range."""
        with nogil:
            constrain_covariances(&self.family.family, self.before, &self.workspace[0], &self.estimate)

    def finish(self):
        """Return the estimate, after all covariances have been estimated and constrained.

        With a likelihood, those that are singular but for rounding get more than the ridge.

        Returns
        -------
        estimate : tuple
            Weights (K,), means (K, d), covariances and whiteners, both flat, log|W|, (K,) or (1,), and the tails (K,),
            0 of normal components.
        failed : int
            The first covariance that is not positive definite, −1 where all are.
        """
        cdef const Family* family = &self.family.family
        cdef Py_ssize_t failed
        cdef double[::1] extra
        if family.ridge > 0 and not (adds_rows(&family.objective) or family.max_ratio < INFINITY
                                     or is_low_rank(family.layout)):
            extra = np.empty(self.n_covariances)
            raise_ridges(&self.moments, family, self.before, &self.workspace[0], &extra[0], &self.estimate)
        failed = finish(&self.moments, family, self.before, &self.estimate)
        arrays = estimate_arrays(self.buffer.base, family.layout, family.K, family.d)
        return arrays, failed


def whiten(Layout layout, const double[::1] matrices, Py_ssize_t d):
    """Return whiteners W of positive definite matrices, Σ⁻¹ = WᵀW.

    Parameters
    ----------
    layout : int
    matrices : flat array, as `layout` stores them
    d : int
        Features.

    Returns
    -------
    whiteners : flat array, lower triangular where matrices are dense
    log_determinants : array of shape (K,) or (1,), log|W|
    failed : int
        The first matrix that is not positive definite, −1 where all are.
    """
    if d < 1 or not is_layout(layout):
        raise ValueError(f"expected a layout and a feature at least, got {layout} and {d}")
    cdef Py_ssize_t size = matrix_size(layout, d), m = n_matrices(layout, max(1, matrices.shape[0] // size))
    expect("matrices", matrices.shape[0], m * size)
    whiteners, log_determinants = np.empty(matrices.shape[0]), np.empty(m)
    cdef double[::1] into = whiteners, sizes = log_determinants
    with nogil:
        whiten_all(layout, m, d, &matrices[0], &into[0], &sizes[0])
    return whiteners, log_determinants, first_singular(&sizes[0], m)


def log_gamma_sum(double dof, Py_ssize_t d):
    """Return the logarithm of the multivariate gamma function at dof / 2."""
    return expectations.log_gamma_sum(dof, d)


def noise_weight(const double[::1] weights):
    """Return the weight that components leave to noise, as a pass has it; rounding may make it negative."""
    expect("weights", weights.shape[0], max(weights.shape[0], 1))
    return rest_of(&weights[0], weights.shape[0], 1)


def log_offset(
    Layout layout,
    const double[::1] weights,
    const double[::1] whiteners,
    const double[::1] log_determinants,
    Py_ssize_t d,
    double log_noise=-INFINITY,
    tuple variational=None,
    const double[::1] tails=None,
):
    """Return what a pass adds to the log density of each component, log π_k + log|W_k| − d/2·log 2π: (K,).

    Also return `log_noise`, as of a `MixtureFamily`, with the weight of noise. `variational` makes both expectations
    under a variational posterior: the shrinkage and pseudocount of its prior, and a `weights_prior` as of a
    `MixtureFamily`; `weights` are then the shares of the rows. With Student-t components, the `tails` change the
    constant.
    """
    cdef Py_ssize_t K = weights.shape[0]
    if K < 1 or d < 1 or not is_layout(layout):
        raise ValueError(f"expected a layout, a weight and a feature at least, got {layout}, {K} and {d}")
    expect("whiteners", whiteners.shape[0], total_size(layout, K, d))
    expect("log_determinants", log_determinants.shape[0], n_matrices(layout, K))
    offsets = np.empty(K)
    cdef double[::1] into = offsets
    cdef const double[::1] of_tails = np.zeros(K) if tails is None else tails
    expect("tails", of_tails.shape[0], K)
    cdef Objective objective = likelihood()
    if variational is not None:
        shrinkage, pseudocount, concentration, sticks, weight = variational
        objective = evidence_bound(NULL, NULL, shrinkage, pseudocount, 0, concentration, sticks, weight)
    objective.log_noise = log_noise
    log_offsets(&objective, layout, K, d, &weights[0], &whiteners[0], &log_determinants[0], 0, &of_tails[0],
                &into[0])
    return offsets, objectives.log_noise(&objective, K, &weights[0])


def constrained(
    int constraint,
    const double[::1] covariances,
    const double[::1] counts,
    const double[::1] previous,
    Py_ssize_t d,
    Py_ssize_t n_factors=0,
    double least=0,
):
    """Return the most likely covariances under a constraint, given the free ones.

    Parameters
    ----------
    constraint : int
        Its number in `CONSTRAINTS`, from 1 on.
    covariances : flat array of (K,), (K, d) or (K, d, d)
    counts : array of shape (K,)
    previous : flat array like `covariances`, or None
        The result of an earlier call; a search starts there.
    d : int
        Features.
    n_factors : int, optional
        Factors of each covariance, where the constraint has them.
    least : float, optional
        The least variance of noise.

    Returns
    -------
    covariances : flat array like those given
    solved : bool
        Whether there is a solution.
    """
    cdef const Constraint* row = constraint_of(constraint)
    cdef Py_ssize_t K = counts.shape[0], size
    if row == NULL or K < 1 or d < 1:
        raise ValueError(f"expected a constraint, a count and a feature at least, got {constraint}, {K} and {d}")
    check_factors(row, n_factors, d)
    size = total_size(constrained_layout(row, n_factors), K, d)
    expect("covariances", covariances.shape[0], size)
    if previous is not None:
        expect("previous", previous.shape[0], size)
    cdef bint solved
    cdef const double* before = NULL if previous is None else &previous[0]
    result = np.array(covariances)
    cdef double[::1] into = result, workspace = np.empty(constraint_workspace_size(row, K, d, n_factors))
    cdef NoisePrior prior = likelihood().factor_noise
    with nogil:
        solved = constrain(row, K, d, n_factors, least, &prior, &counts[0], before, &into[0], &workspace[0])
    return result, bool(solved)


def of_limited_ratio(
    Layout layout, const double[::1] covariances, const double[::1] counts, Py_ssize_t d, double max_ratio,
):
    """Return the most likely covariances whose eigenvalues have a limited ratio, given the free ones.

    Parameters
    ----------
    layout : int
        The code of a layout of a covariance for each component.
    covariances : flat array
    counts : array of shape (K,)
    d : int
        Features.
    max_ratio : float
        At least 1 and finite.

    Returns
    -------
    covariances : flat array like those given
    solved : bool
        Whether there is a solution.
    """
    cdef Py_ssize_t K = counts.shape[0]
    if K < 1 or d < 1:
        raise ValueError(f"expected a count and a feature at least, got {K} and {d}")
    check_ratio(max_ratio, layout, K, NULL)
    expect("covariances", covariances.shape[0], total_size(layout, K, d))
    result = np.array(covariances)
    cdef double[::1] into = result, workspace = np.empty(ratio.ratio_workspace_size(layout, K, d))
    return result, bool(ratio.limit_ratio(layout, K, d, max_ratio, &counts[0], &into[0], &workspace[0]))


def noise_of_factors(const double[:, :, ::1] covariances, Py_ssize_t n_factors, double least=0):
    """Return the diagonals of Ψ_k of covariances Λ_k Λ_kᵀ + Ψ_k, (K, d), of at least some variance if these exist."""
    cdef Py_ssize_t K = covariances.shape[0], d = covariances.shape[1], j, k
    if K < 1 or covariances.shape[2] != d:
        raise ValueError(f"expected square matrices, got {K} of shape {(d, covariances.shape[2])}")
    check_factors(&CONSTRAINTS[FACTOR], n_factors, d)
    noise = np.empty((K, d))
    cdef double[:, ::1] into = noise
    cdef double[::1] workspace = np.empty(factors.factors_workspace_size(K, d, n_factors))
    cdef double missed
    cdef factors.Analysis analysis = factors.analysis_in(&workspace[0], d, n_factors)
    for k in range(K):
        factors.set_least(&analysis, least, &covariances[k, 0, 0])
        missed = factors.take_apart(&analysis, &covariances[k, 0, 0])
        if missed > 0 and least > 0:
            factors.set_least(&analysis, 0, &covariances[k, 0, 0])
            missed = factors.take_apart(&analysis, &covariances[k, 0, 0])
        if not (missed < INFINITY and factors.descend(&analysis, -INFINITY, NULL) < INFINITY):
            raise ValueError(f"the matrix of component {k} is not positive definite")
        for j in range(d):
            into[k, j] = analysis.roots[j] * analysis.roots[j]
    return noise


def halved(statistics, Py_ssize_t component, Py_ssize_t into, offset=None):
    """Return the moments of `SufficientStatistics` with half of the rows of a component in another one.

    See `SufficientStatistics.split`; as `moments_arrays` returns them, with a component more if `into` is a new one.
    """
    cdef const double[:, :] origins = statistics.origins, first = statistics.first
    cdef const double[::1] counts = statistics.counts, second = statistics.second.reshape(-1), step, product
    cdef const double[::1] precision = statistics.precisions
    cdef Layout layout = statistics.layout.code
    cdef Py_ssize_t before = counts.shape[0], d = origins.shape[1], K = max(before, into + 1), j, k
    cdef Moments out
    if not (0 <= component < before and 0 <= into <= before):
        raise ValueError(f"expected two of {before} components, or one and a new one, got {component} and {into}")
    expect_matrix("origins", origins, before, d)
    expect_matrix("first", first, before, d)
    expect("precision", precision.shape[0], before)
    expect("second", second.shape[0], total_size(layout, before, d))
    buffer = np.empty(moments_size(layout, K, d))
    cdef double[::1] view = buffer
    out = moments_in(&view[0], K, d)
    for k in range(before):
        out.counts[k], out.precision[k] = counts[k], precision[k]
        for j in range(d):
            out.origins[k * d + j], out.first[k * d + j] = origins[k, j], first[k, j]
    memcpy(out.second, &second[0], second.shape[0] * sizeof(double))
    if offset is not None:
        step = offset
        expect("offset", step.shape[0], d)
        product = statistics.layout.outer(statistics.first[component, None], offset[None]).reshape(-1)
        halve(layout, K, d, component, into, &step[0], &product[0], &out)
    else:
        halve(layout, K, d, component, into, NULL, NULL, &out)
    out.log_evidence, out.weight = statistics.log_evidence, statistics.weight
    return moments_arrays(buffer, statistics.layout, K, d, &out)


cdef class QuasiNewtonState:
    """The state of the accelerated solver between two passes: see `quasi_newton.pxd`.

    Parameters
    ----------
    family : MixtureFamily
        Its ridge is part of the objective too: rows are seen through noise of that variance.
    tolerance : float
        Projected remaining gain to stop below, in nats per unit weight.
    confirm_stop : bool
        Whether five passes in a row must project less, or three of which the last projects far less; else one.
    """

    def __cinit__(self, MixtureFamily family not None, double tolerance, bint confirm_stop):
        self.family = family
        self.state.family = family.family
        self.state.tolerance, self.state.confirm_stop = tolerance, confirm_stop
        self.buffer = np.zeros(state_buffer_size(&self.state.family, update_workspace_size(&self.state.family)))
        lay_out(&self.state, &self.buffer[0])
        start_anew(&self.state)

    def __reduce__(self):
        cdef State* state = &self.state
        shape = self.family, state.tolerance, bool(state.confirm_stop)
        scalars = (state.trying, state.n_pairs, state.n_passes, state.radius, state.objective, state.rounding,
                   (state.gains[0], state.gains[1], state.gains[2]), state.n_gains, state.since_negative, state.streak,
                   state.newton, state.remaining, state.fall, state.converged, state.stuck, state.held.log_evidence,
                   state.held.weight, state.merging, state.last_merges, state.merge_wait, state.merge_failures,
                   state.merge_limit, state.merge_objective)
        kept = self.buffer[:pickled_size(state, &self.buffer[0], state.n_pairs)]
        return QuasiNewtonState, shape, (scalars, np.array(kept))

    def __setstate__(self, saved):
        cdef State* state = &self.state
        cdef State read = self.state
        cdef const double[::1] buffer
        cdef Py_ssize_t n
        scalars, buffer = saved
        (read.trying, read.n_pairs, read.n_passes, read.radius, read.objective, read.rounding, gains,
         read.n_gains, read.since_negative, read.streak, read.newton, read.remaining, read.fall,
         read.converged, read.stuck, read.held.log_evidence, weight, read.merging, read.last_merges, read.merge_wait,
         read.merge_failures, read.merge_limit, read.merge_objective) = scalars
        set_weight(&read, weight)
        read.gains[0], read.gains[1], read.gains[2] = gains
        if not 0 <= read.n_pairs <= MEMORY:
            raise ValueError(f"expected a QuasiNewtonState of up to {<int>MEMORY} secants, got {read.n_pairs}")
        n = pickled_size(state, &self.buffer[0], read.n_pairs)
        expect("the numbers of a QuasiNewtonState", buffer.shape[0], n)
        state[0] = read
        self.buffer[:n] = buffer

    def __copy__(self):
        """Return a copy, without the constructor's arguments that a pickle adds."""
        cdef State* state = &self.state
        cdef QuasiNewtonState other = QuasiNewtonState(self.family, state.tolerance, state.confirm_stop)
        cdef Py_ssize_t n = pickled_size(state, &self.buffer[0], state.n_pairs)
        other.state = self.state
        lay_out(&other.state, &other.buffer[0])
        other.state.held.log_evidence, other.state.held.weight = state.held.log_evidence, state.held.weight
        other.buffer[:n] = self.buffer[:n]
        return other

    cdef bint fits(self, Layout layout, Layout moments, Py_ssize_t K, Py_ssize_t d):
        return self.family.matches(layout, moments, K, d)

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
        """Whether the update after the last pass failed or left a component empty: `start` anew."""
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
    def lower_bound(self):
        """That of the mean log-likelihood after the last accepted pass; −∞ before it."""
        return plain_bound(&self.state) if self.state.n_passes else -INFINITY

    @property
    def remaining(self):
        """Projected remaining gain, in nats per unit weight."""
        return self.state.remaining

    @property
    def fall(self):
        """How much EM's own step would have lowered the objective, which ended the run; 0 where it did not."""
        return self.state.fall

    def start(self, *estimate):
        """Forget all passes and measure this mixture next, given as `Update` returns it."""
        cdef State* state = &self.state
        cdef Estimate* first = &state.trial
        cdef Layout layout = state.family.layout
        cdef Py_ssize_t K = state.family.K, d = state.family.d
        cdef Estimate given = view_estimate(estimate, layout, K, d)
        copy_estimate(layout, K, d, &given, first)
        log_offsets(&state.family.objective, layout, K, d, first.weights, first.whiteners, first.log_determinants,
                    state.family.ridge, first.tails, first.log_offset)
        start_anew(state)

    def start_after(self, statistics, *, bint repair_empty):
        """Forget all passes and measure the mixture that follows `SufficientStatistics` next, as `start` does.

        Return False where it needs help: a covariance is singular or, with `repair_empty`, a component has no rows.
        """
        cdef State* state = &self.state
        cdef Moments moments
        cdef double[::1] storage = np.empty(moments_size(state.family.layout, state.family.K, state.family.d))
        copy_statistics(statistics, &state.family, storage, &moments)
        cdef bint fails
        with nogil:
            fails = repair_empty and any_empty(&moments, state.family.K)
            fails = fails or most_likely(&moments, &state.family, state.family.ridge, NULL, state.scratch,
                                         &state.trial) >= 0
            start_anew(state)
        return not fails

    def start_at(self, const double[::1] weights, const double[:, ::1] means, const double[::1] precisions):
        """Forget all passes and measure a mixture of normal components next, as `start` does, given its precisions.

        Return False where a matrix is not positive definite.
        """
        cdef State* state = &self.state
        cdef const Family* family = &state.family
        cdef Estimate* first = &state.trial
        cdef Py_ssize_t K = family.K, d = family.d
        check_parts(family, weights, precisions)
        expect_matrix("means", means, K, d)
        memcpy(first.weights, &weights[0], K * sizeof(double))
        memcpy(first.means, &means[0, 0], K * d * sizeof(double))
        memset(first.tails, 0, K * sizeof(double))
        cdef bint fails
        with nogil:
            fails = covariances_at(family, &weights[0], &precisions[0], state.scratch, first) >= 0
            log_offsets(&family.objective, family.layout, K, d, first.weights, first.whiteners,
                        first.log_determinants, family.ridge, first.tails, first.log_offset)
            start_anew(state)
        return not fails

    def measured(self):
        """Return the mixture of the last accepted pass, or before it the first mixture, as `Update` does."""
        cdef const Family* family = &self.state.family
        cdef Layout layout = family.layout
        cdef const Estimate* mixture = &self.state.best if self.state.n_passes else next_mixture(&self.state)
        buffer = copied(np.empty(estimate_size(layout, family.K, family.d)), mixture.weights)
        return estimate_arrays(buffer, layout, family.K, family.d)

    def next(self):
        """Return the mixture to measure next, as a pass reads it, its tails, and whether a fit moves them.

        They are the parts of a `WhitenedMixture`, with flat whiteners.
        """
        cdef const Estimate* mixture = next_mixture(&self.state)
        cdef Layout layout = self.state.family.layout
        cdef Py_ssize_t K = self.state.family.K, d = self.state.family.d, size = total_size(layout, K, d)
        flat = np.empty(2 * K + K * d + size)
        cdef double[::1] into = flat
        memcpy(&into[0], mixture.log_offset, K * sizeof(double))
        memcpy(&into[K], mixture.means, K * d * sizeof(double))
        memcpy(&into[K + K * d], mixture.whiteners, size * sizeof(double))
        memcpy(&into[K + K * d + size], mixture.tails, K * sizeof(double))
        return flat[:K], flat[K:K + K * d].reshape(K, d), flat[K + K * d:K + K * d + size], objectives.log_noise(
            &self.state.family.objective, K, mixture.weights
        ), flat[K + K * d + size:], self.state.family.objective.free_tails != NO_TAILS

    def add_pass(self, statistics, double rounding, *, bint repair_empty):
        """Accept or reject a pass of the mixture that `next` returned, and choose the next one, without rows.

        Parameters
        ----------
        statistics : SufficientStatistics
            From anywhere: another process, other machines.
        rounding : float
            How far the mean log evidence may be off by rounding, relatively.
        repair_empty : bool
            Whether a component without rows makes the state `stuck`.

        Returns
        -------
        lower_bound, objective, remaining : float
            As the records of `run_quasi_newton` in `loop.pxd` have them.
        accepted : bool
        """
        cdef Moments moments
        cdef double[4] record
        cdef Family* family = &self.state.family
        cdef double[::1] storage = np.empty(moments_size(family.layout, family.K, family.d))
        copy_statistics(statistics, family, storage, &moments)
        with nogil:
            add_pass(&self.state, &moments, rounding, repair_empty, record)
        return record[0], record[1], record[2], record[3] > 0

    def promise(self, Py_ssize_t into, Py_ssize_t gone):
        """Return how much the evidence bound gains at once if two components, into < gone, are one.

        The gain is in nats, and before the entropy of their shares of the rows is lost: see `merging.pxd`.
        """
        cdef QuasiNewtonState scratch = copy(self)
        if not 0 <= into < gone < self.state.family.K or not is_bound(&self.state.family.objective):
            raise ValueError(f"expected an evidence bound and components of it in order, got {into} and {gone}")
        cdef double empty = evidence_of_empty(&scratch.state)
        combine(&scratch.state, into, gone)
        return promise_of(&scratch.state, into, gone, empty)

    def moments(self, layout):
        """Return the moments of the last accepted pass, as `moments_arrays` does; their evidence is the objective."""
        cdef const Family* family = &self.state.family
        buffer = copied(np.empty(moments_size(family.layout, family.K, family.d)), self.state.held.origins)
        return moments_arrays(buffer, layout, family.K, family.d, &self.state.held)


cdef class DegeneracyCheck:
    """Which components of mixtures of a model are degenerate, for the rows of a fit.

    Parameters
    ----------
    rules : tuple
        The first fields of a `DegeneracyInput`, from `layout` on.
    n : float
        Distinct rows.
    steps : array of shape (d,)
        Differences in a column are multiples of these; 0 for continuous columns.
    ridge : float
    rule : int
        A `DegeneracyRule`.
    weight : array of shape (n,), optional
        Above 0, of distinct rows.

    Attributes
    ----------
    variances : array of shape (d,)
        Up to which a variance is that of the ridge and of rounding to the steps, h²/12 (Sheppard).
    """

    def __cinit__(
        self, rules, double n, const double[:] steps, double ridge, DegeneracyRule rule, const double[::1] weight=None,
    ):
        cdef DegeneracyInput* inputs = &self.inputs
        cdef Py_ssize_t j
        inputs.layout, inputs.d, inputs.none, inputs.directions, inputs.of_one, inputs.of_another, inputs.common = rules
        expect("steps", steps.shape[0], inputs.d)
        inputs.n, inputs.ridge, inputs.rule, self.weight = n, RIDGES * ridge, rule, weight
        self.variances = np.empty(inputs.d)
        for j in range(inputs.d):
            self.variances[j] = inputs.ridge + steps[j] * steps[j] / 12
        inputs.variances = &self.variances[0]

    def causes(self, estimate, const double[::1] noise=None, of_pass=None):
        """Return the first `Cause` by which each component of a mixture is degenerate, (K,); 0 for the others.

        The mixture is as `Update` returns it, and `noise` has the variances of its uniform noise, (d,). Where
        components were scaled to one volume, the `SufficientStatistics` of a pass have the covariances before.
        """
        cdef DegeneracyInput inputs = self.inputs
        cdef Family family
        cdef Moments moments
        set_mixture(&inputs, estimate, noise)
        if of_pass is None:
            return self.causes_of(&inputs)
        family = unconstrained(inputs.layout, inputs.K, inputs.d, 0)
        cdef double[::1] storage = np.empty(moments_size(inputs.layout, inputs.K, inputs.d))
        copy_statistics(of_pass, &family, storage, &moments)
        return self.causes_with_moments(&inputs, &moments)

    def ties(
        self, estimate, const double[::1] noise, const unsigned char[::1] causes not None,
        const double[:, ::1] rows not None, const double[::1] weight, const unsigned char[::1] repeated not None,
    ):
        """Return the causes, and `TIES` of components without one whose density owes too much to rows that repeat.

        Rows of a step h have h times a density that has h²/2π more variance there as their mass (`lost_to_ties`). Where
        no step is known, it is the distance from the value that most rows of a component have to the nearest others, a
        tenth as many. Columns are checked, and the axis along which a dense component is thinnest. A covariance
        that all share owes to them if most components do. Rows belong to the most probable component, but for noise and
        heavy tails.

        Parameters
        ----------
        estimate, noise
            As in `causes`.
        causes : array of shape (K,)
        rows : array of shape (n, d)
        weight : array of shape (n,), optional
        repeated : array of shape (d,)
            Whether a column has equal values.
        """
        cdef DegeneracyInput inputs = self.inputs
        cdef Py_ssize_t k, j, d = inputs.d
        cdef double times, share, held = 0
        cdef Line line = Line(rows, weight)
        set_mixture(&inputs, estimate, noise)
        expect("causes", causes.shape[0], inputs.K)
        expect("repeated", repeated.shape[0], d)
        expect("a row", rows.shape[1], d)
        cdef unsigned char[::1] found = np.array(causes)
        cdef Py_ssize_t[::1] labels = np.empty(rows.shape[0], np.intp)
        cdef double[::1] axis = np.empty(d), workspace = np.empty(degeneracy_workspace_size(inputs.layout, inputs.K, d))
        if is_low_rank(inputs.layout):
            return found.base
        choose_components(&inputs, rows, labels, np.empty(inputs.K))
        line.sort_by(labels, inputs.K)
        lay_out_degeneracy(&inputs, &workspace[0])
        with nogil:
            total_spread(&inputs)
            for k in range(inputs.K):
                share = inputs.mixture.weights[k]
                for j in range(d):
                    times = inputs.total[j * (d + 1 if is_dense(inputs.layout) else 1)] / variance(&inputs, k, j)
                    if found[k] == VALID and repeated[j] and owed_to_ties(1, INFINITY, times) > LEAST_TIES:
                        axis[0] = 1 / sqrt(variance(&inputs, k, j))
                        if line.ties(&axis[0], j, k, share, times, 0) > LEAST_TIES:
                            found[k] = TIES
                if found[k] == VALID and is_dense(inputs.layout):
                    times = thinnest(&inputs, k, &axis[0])
                    if (owed_to_ties(1, INFINITY, times) > LEAST_TIES
                            and line.ties(&axis[0], -1, k, share, times, ON_A_PLANE) > LEAST_TIES):
                        found[k] = TIES
                held += share * (found[k] == TIES)
        return np.array(causes) if inputs.common and held < 0.5 else found.base

    def first(self, QuasiNewtonState state not None, noise):
        """Return the first component of the state's accepted mixture for which `causes` has one, or −1.

        `noise` is the `Noise` of its family. A posterior has no such component.
        """
        cdef DegeneracyInput inputs = self.inputs
        cdef const State* held = &state.state
        cdef const unsigned char[::1] causes
        cdef Py_ssize_t k
        if held.family.layout != inputs.layout or held.family.d != inputs.d or held.n_passes == 0:
            raise ValueError("expected a mixture of the model of this check, from a pass that was accepted")
        if is_bound(&held.family.objective):
            return -1
        inputs.K, inputs.mixture = held.family.K, held.best
        spread = noise.variances if has_noise(&held.family.objective) else None    # `inputs` points into it
        set_noise(&inputs, spread)
        causes = self.causes_of(&inputs)
        for k in range(inputs.K):
            if causes[k] > 0:
                return k
        return -1

    cdef causes_with_moments(self, DegeneracyInput* inputs, const Moments* moments):
        """Return the causes in a mixture, given the moments of its pass."""
        cdef Family family = unconstrained(inputs.layout, inputs.K, inputs.d, inputs.ridge / RIDGES)
        cdef double[::1] buffer = np.empty(estimate_size(inputs.layout, inputs.K, inputs.d))
        cdef Estimate free = estimate_in(&buffer[0], inputs.layout, inputs.K, inputs.d)
        if most_likely(moments, &family, 0, NULL, NULL, &free) < 0:
            inputs.free = free.whiteners
        return self.causes_of(inputs)

    def worth(self, estimate, const double[::1] noise, double lower_bound):
        """Return by how many nats per row mixtures of one K compare: see `worth_of_bound`. It is as in `causes`."""
        cdef DegeneracyInput inputs = self.inputs
        set_mixture(&inputs, estimate, noise)
        return self.bound_of(&inputs, lower_bound)

    cdef double worth_of(
        self, const Family* family, const Estimate* mixture, const double* noise, double lower_bound,
    ) except? -1:
        """Return the same of a mixture of a family, with noise of such variances, if any."""
        cdef DegeneracyInput inputs = self.inputs
        if family.layout != inputs.layout or family.d != inputs.d:
            raise ValueError("expected candidates of the model of this check, got the check of another model")
        inputs.K, inputs.mixture, inputs.free = family.K, mixture[0], mixture.whiteners
        inputs.noise = noise
        return self.bound_of(&inputs, lower_bound) if may_be_degenerate(&inputs) else lower_bound

    cdef double bound_of(self, DegeneracyInput* inputs, double lower_bound) except? -1:
        cdef double[::1] workspace = np.empty(degeneracy_workspace_size(inputs.layout, inputs.K, inputs.d))
        if self.inputs.n_copies == 0:              # not known yet
            self.inputs.n_copies = inputs.n
            if self.weight is not None:
                self.inputs.n_copies = np.sum(self.weight) / np.exp(np.log(self.weight).mean())
        inputs.n_copies = self.inputs.n_copies
        lay_out_degeneracy(inputs, &workspace[0])
        return worth_of_bound(inputs, lower_bound)

    cdef causes_of(self, DegeneracyInput* inputs):
        cdef double[::1] workspace = np.empty(degeneracy_workspace_size(inputs.layout, inputs.K, inputs.d))
        cdef unsigned char[::1] causes = np.empty(inputs.K, np.uint8)
        lay_out_degeneracy(inputs, &workspace[0])
        with nogil:
            find_causes(inputs, &causes[0])
        return causes.base


cdef class Line:
    """Rows along an axis.

    Parameters
    ----------
    rows : array of shape (n, d)
    weight : array of shape (n,), optional
    """

    cdef const double[:, ::1] rows
    cdef const double[::1] weight
    cdef Py_ssize_t[::1] order, starts    # rows from label to label, and where in `order` each starts
    cdef double weight_of_all
    cdef double[::1] along, held
    cdef char[::1] workspace

    def __cinit__(self, const double[:, ::1] rows not None, const double[::1] weight):
        cdef Py_ssize_t n = rows.shape[0]
        if weight is not None:
            expect("weight", weight.shape[0], n)
        self.rows, self.weight = rows, weight
        self.weight_of_all = n if weight is None else np.sum(weight)
        self.along, self.held, self.workspace = np.empty(n), np.empty(n), np.empty(size_to_sort(n), dtype=np.int8)

    cdef int sort_by(self, const Py_ssize_t[::1] labels, Py_ssize_t n_labels) except -1:
        """Sort the rows by labels from 0 to `n_labels` − 1; leave out the others."""
        cdef Py_ssize_t n = self.rows.shape[0], i, k
        expect("labels", labels.shape[0], n)
        self.order, self.starts = np.empty(n, np.intp), np.zeros(n_labels + 2, np.intp)
        for i in range(n):
            if 0 <= labels[i] < n_labels:
                self.starts[labels[i] + 2] += 1
        for k in range(n_labels):
            self.starts[k + 2] += self.starts[k + 1]
        for i in range(n):
            if 0 <= labels[i] < n_labels:
                self.order[self.starts[labels[i] + 1]] = i
                self.starts[labels[i] + 1] += 1
        return 0

    cdef Py_ssize_t lay(
        self, const double* axis, Py_ssize_t column, Py_ssize_t start, Py_ssize_t end, Item* items,
    ) noexcept nogil:
        """Sort rows from `start` to `end` of `order` along an axis, but those that are not finite; return how many.

        It may be a `column`, by which the one number of `axis` is multiplied, else −1.
        """
        cdef Py_ssize_t m = 0, d = self.rows.shape[1], i, j, number
        cdef double value
        for number in range(start, end):
            i = self.order[number]
            value = 0 if column < 0 else self.rows[i, column] * axis[0]
            for j in range(d if column < 0 else 0):
                value += self.rows[i, j] * axis[j]
            if isfinite(value):
                self.along[m], self.held[m] = value, 1 if self.weight is None else self.weight[i]
                m += 1
        if m > 0:
            sort_by_value(&self.along[0], m, 1, items, items + self.along.shape[0],
                          <Py_ssize_t*>(items + 2 * self.along.shape[0]))
        return m

    cdef double ties(
        self, const double* axis, Py_ssize_t column, Py_ssize_t label, double share, double times, double width,
    ) noexcept nogil:
        """Return what the density of a component owes to equal rows of a label, in nats per row.

        Along the axis the component has variance 1, and all rows have `times` as much. Rows are equal that lie in an
        interval of this `width`.
        """
        cdef Py_ssize_t first, last = 0, m
        cdef double mass = 0, most = 0, low = 0, high = 0, needed
        cdef Item* items = <Item*>&self.workspace[0]
        m = self.lay(axis, column, self.starts[label], self.starts[label + 1], items)
        for first in range(m):
            while last < m and items[last].key - items[first].key <= width:
                mass += self.held[items[last].row]
                last += 1
            if mass > most:
                most, low, high = mass, items[first].key, items[last - 1].key
            mass -= self.held[items[first].row]
        share = min(1., most / (share * self.weight_of_all))
        if owed_to_ties(share, INFINITY, times) <= LEAST_TIES:
            return 0
        m, first, last = self.lay(axis, column, 0, self.starts[self.starts.shape[0] - 1], items), 0, 0
        while first < m and items[first].key < low:
            first += 1
        last, mass = first, 0
        while last < m and items[last].key <= high:
            mass += self.held[items[last].row]
            last += 1
        needed, mass = NEAREST * mass, 0
        width = INFINITY
        while mass < needed and (first > 0 or last < m):
            if last == m or first > 0 and low - items[first - 1].key < items[last].key - high:
                first -= 1
                width = low - items[first].key
                mass += self.held[items[first].row]
            else:
                width = items[last].key - high
                mass += self.held[items[last].row]
                last += 1
        return owed_to_ties(share, width if mass >= needed else INFINITY, times)


cdef inline double owed_to_ties(double share, double step, double times) noexcept nogil:
    """Return what a density of variance 1 owes to a share of its rows that repeat, on steps as wide as all at most."""
    return share * log1p(min(step * step, 3 * times) / (2 * M_PI)) / 2


cdef void choose_components(
    const DegeneracyInput* inputs, const double[:, ::1] rows,
    Py_ssize_t[::1] labels, double[::1] offsets,   # OUT (n,), (K,)
) noexcept nogil:
    """Write the most probable normal component of each row, −1 where a row is not finite."""
    cdef Py_ssize_t d = inputs.d, n_own = n_matrices(inputs.layout, inputs.K), i, k
    cdef Py_ssize_t stride = component_stride(inputs.layout, d)
    cdef double log_density, highest
    for k in range(inputs.K):
        offsets[k] = log(inputs.mixture.weights[k]) + inputs.mixture.log_determinants[k if n_own > 1 else 0]
    for i in range(rows.shape[0]):
        labels[i], highest = -1, -INFINITY
        for k in range(inputs.K):
            log_density = offsets[k] - half_square(
                inputs.layout, d, inputs.mixture.whiteners + k * stride, &rows[i, 0], inputs.mixture.means + k * d)
            if log_density > highest:
                labels[i], highest = k, log_density


def total_variances(Layout layout, estimate, const double[::1] noise=None):
    """Return the variances of a whole mixture, (d,), given the arguments of `DegeneracyCheck.causes`."""
    cdef DegeneracyInput inputs
    _, means, *_ = estimate
    cdef const double[:, ::1] of_means = means
    inputs.layout, inputs.d = layout, of_means.shape[1]
    set_mixture(&inputs, estimate, noise)
    cdef double[::1] workspace = np.empty(degeneracy_workspace_size(layout, inputs.K, inputs.d))
    lay_out_degeneracy(&inputs, &workspace[0])
    total_spread(&inputs)
    return workspace.base[:inputs.d * inputs.d:inputs.d + 1] if is_dense(layout) else workspace.base[:inputs.d]


cdef int set_mixture(DegeneracyInput* inputs, estimate, const double[::1] noise) except -1:
    given, *_ = estimate
    cdef const double[::1] weights = given
    inputs.K = weights.shape[0]
    if not is_layout(inputs.layout) or inputs.K < 1 or inputs.d < 1:
        raise ValueError(f"expected a layout, components and features, got {(inputs.layout, inputs.K, inputs.d)}")
    inputs.mixture = view_estimate(estimate, inputs.layout, inputs.K, inputs.d)
    return set_noise(inputs, noise)


cdef int set_noise(DegeneracyInput* inputs, const double[::1] noise) except -1:
    if noise is not None:
        expect("noise", noise.shape[0], inputs.d)
    inputs.free, inputs.noise = inputs.mixture.whiteners, NULL if noise is None else &noise[0]
    return 0


# ------------------------------------------ rows before the first pass: a survey, distinct ones, equal ones

ctypedef fused bits:
    uint32_t
    uint64_t

ctypedef fused number:
    double
    uint64_t

cdef struct Place:
    uint64_t hash
    Py_ssize_t code  # from 1 on; 0 where none is

# For a step that values have: how far from a multiple a value may be, in single and in double precision, where groups
# far apart at equal distances are no multiples. A smaller part of the range is below what a ridge adds.
cdef double OFF_STEP = 1e-3, OFF_STEP_OF_DOUBLE = 1e-6, LEAST_STEP = 1e-6
cdef double NO_STEP_YET = -1
cdef double WHOLE = 6755399441055744.0    # 1.5 · 2^52

cdef enum:
    SUMMED = 256  # rows, within which an exchange goes unnoticed
    AT_ONCE = 32  # numbers, to which as many are added at once

cdef uint64_t MIXING = 0x9E3779B97F4A7C15  # odd


cdef bint look_at(
    const data* row, Py_ssize_t column_stride, Py_ssize_t d, double weight, const double* origin,      # IN (d,)
    double* sums, double* low, double* high,       # IN, OUT (d,) Σ w (x − origin), least, greatest
) noexcept nogil:
    """Add what is there of a row to the survey; return whether all of it is finite."""
    cdef Py_ssize_t j
    cdef double x
    cdef bint broken = False
    for j in range(d):
        x = row[j * column_stride]
        broken |= x - x != 0
        sums[j] += weight * (x - origin[j]) if x == x else 0
        low[j] = x if x < low[j] else low[j]
        high[j] = x if x > high[j] else high[j]
    return not broken


cdef bint look_past_gaps(
    const data* row, Py_ssize_t column_stride, Py_ssize_t d, double weight,
    const double* fill,                            # IN (d,) in the place of what is missing, or NULL
    bint seen,                                     # IN by `look_at`
    double* origin, double* sums, double* low, double* high, double* weights,       # IN, OUT (d,)
) noexcept nogil:
    """Add the values of a row that are there to the survey, and their weight; return whether none is infinite."""
    cdef Py_ssize_t j
    cdef double x
    for j in range(d):
        x = row[j * column_stride]
        if x - x != 0:
            if x == x:
                return False
            if fill == NULL:
                continue
            x = fill[j]
        elif seen:
            weights[j] += weight
            continue
        if origin[j] != origin[j]:
            origin[j] = low[j] = high[j] = x
        sums[j] += weight * (x - origin[j])
        low[j], high[j] = min(low[j], x), max(high[j], x)
        weights[j] += weight
    return True


cdef double nearest(double x) noexcept nogil:
    """Return the whole number nearest to one below 2^51."""
    return (x + WHOLE) - WHOLE


cdef Py_ssize_t step_to(
    const data* row, Py_ssize_t column_stride, double epsilon,
    const double* origin, const double* low, const double* high,
    Py_ssize_t* columns, Py_ssize_t n_columns,     # IN, OUT those that may have steps
    Step* steps,                                   # IN, OUT (d,)
) noexcept nogil:
    """Let steps reach a row as well; return how many columns may still have some."""
    cdef Py_ssize_t i, j, left = 0
    cdef double x, multiple, off = OFF_STEP if epsilon > DBL_EPSILON else OFF_STEP_OF_DOUBLE
    for i in range(n_columns):
        j = columns[i]
        x = row[j * column_stride]
        multiple = (x - origin[j]) * steps[j].inverse
        if fabs(multiple - nearest(multiple)) > off or fabs(multiple) > 2 * steps[j].farthest:
            join_step(&steps[j], fabs(x - origin[j]), 4 * epsilon * max(fabs(x), fabs(origin[j])), off)
            if 0 <= steps[j].size <= LEAST_STEP * (high[j] - low[j]):
                steps[j].size = 0
                continue
        columns[left] = j
        left += 1
    return left


cdef void join_step(Step* step, double distance, double rounding, double off=OFF_STEP) noexcept nogil:
    """Let a step be the largest of which the distance is a multiple as well, to rounding or a part `off` (Euclid)."""
    cdef double size = step.size, rest = distance, larger, multiple
    if distance <= rounding:
        return
    if size == NO_STEP_YET:
        size = distance
    while rest > max(rounding, off * size):
        larger, size = (size, rest) if size > rest else (rest, size)
        rest = fabs(larger - size * rint(larger / size))
    multiple = rint(distance / size)
    if size != step.size or multiple > step.farthest:
        size, step.farthest = distance / multiple, multiple    # its rounding is the least
    step.size, step.inverse = size, 1 / size


cdef class Survey:
    """The results of a first pass over rows: whether they are finite, what they weigh, where they lie, in which steps.

    It does not change once it is made, and has the same bits, whatever chunks the rows come in. Missing values, NaN,
    are left out: its numbers of a column are those of the rows which have it.

    Parameters
    ----------
    chunks : iterable of (first, rows, weight)
        The number of the first row, rows (m, d) in float32 or float64, and their weights (m,) or None; in order. Or, in
        place of rows, their survey, whose sums are added; of values that are not finite only the places are.
    n_features : int
    fill : array of shape (d,), optional
        Values in the place of missing ones, which are none then.
    given : Survey, optional
        That of rows without them, whose steps are those of the columns.

    Attributes
    ----------
    nonfinite, infinite : tuple of int, or None
        Row and column of the first value that is not finite, and of the first that is infinite: with that, the look
        ends, and the other attributes mean nothing.
    weight, heaviest, n_used : float, float, int
        Σ w, max w, and the number of rows with a positive weight.

    Raises
    ------
    ValueError
        For no rows, no features, and arrays of other lengths.
    """

    def __cinit__(self, chunks, Py_ssize_t n_features, const double[::1] fill=None, Survey given=None):
        self.n_features = n_features
        if n_features < 1:
            raise ValueError(f"expected one feature at least, got n_features={n_features}")
        self.first_row = <double*>PyMem_Calloc(5 * n_features, sizeof(double))
        self.steps_so_far = <Step*>PyMem_Malloc(n_features * sizeof(Step))
        self.columns = <Py_ssize_t*>PyMem_Malloc(n_features * sizeof(Py_ssize_t))
        if self.first_row == NULL or self.steps_so_far == NULL or self.columns == NULL:
            raise MemoryError
        self.sums, self.low = self.first_row + n_features, self.first_row + 2 * n_features
        self.high, self.column_weights = self.first_row + 3 * n_features, self.first_row + 4 * n_features
        for first, rows, weight in chunks:
            if isinstance(rows, Survey):
                self.join(rows, first)
            elif rows.itemsize == sizeof(float):
                look[float](self, rows, weight, first, fill)
            else:
                look[double](self, rows, weight, first, fill)
            if self.infinite is not None:
                break
        if not self.started:
            raise ValueError("expected one row at least, got no chunk of rows")
        if given is not None:
            expect("a row", given.n_features, n_features)
            memcpy(self.steps_so_far, given.steps_so_far, n_features * sizeof(Step))

    def __reduce__(self):
        cdef const double[::1] numbers = <double[:5 * self.n_features]>self.first_row
        counts, places = (self.weight, self.heaviest, self.n_used), (self.nonfinite, self.infinite)
        return restored, (np.array(numbers), self.has_gaps, *counts, *places, self.steps)

    cdef void join(self, Survey other, Py_ssize_t first) except *:
        """Add a survey of rows of which `first` came before."""
        cdef Py_ssize_t d = self.n_features, j
        expect("a row", other.n_features, d)
        if not self.started:
            memcpy(self.first_row, other.first_row, 4 * d * sizeof(double))
            memcpy(self.steps_so_far, other.steps_so_far, d * sizeof(Step))
        else:
            for j in range(d):
                self.meet(j, other.first_row[j], other.steps_so_far[j])
                self.sums[j] += other.sums[j] + other.weight * (other.first_row[j] - self.first_row[j])
                self.low[j], self.high[j] = min(self.low[j], other.low[j]), max(self.high[j], other.high[j])
        self.started = True
        self.weight += other.weight
        self.heaviest = max(self.heaviest, other.heaviest)
        self.n_used += other.n_used
        if other.nonfinite is not None and self.nonfinite is None:
            self.nonfinite = first + other.nonfinite[0], other.nonfinite[1]
        if other.infinite is not None:
            self.infinite = first + other.infinite[0], other.infinite[1]

    def __dealloc__(self):
        PyMem_Free(self.first_row)
        PyMem_Free(self.steps_so_far)
        PyMem_Free(self.columns)

    cdef void meet(self, Py_ssize_t j, double x, Step step) noexcept:
        """Let column j have the values of other rows as well, one of which is x, and which have a step."""
        cdef double first = self.first_row[j], rounding = 4 * DBL_EPSILON * max(fabs(first), fabs(x))
        if self.steps_so_far[j].size == 0 or step.size == 0:
            self.steps_so_far[j].size = 0
            return
        join_step(&self.steps_so_far[j], fabs(x - first), rounding)
        if step.size != NO_STEP_YET:
            join_step(&self.steps_so_far[j], step.size * step.farthest, rounding)
            join_step(&self.steps_so_far[j], step.size, rounding)

    @property
    def steps(self):
        """The largest steps of which all differences in a column are multiples, (d,); 0 for continuous columns."""
        cdef Py_ssize_t j
        out = np.zeros(self.n_features)
        cdef double[::1] steps = out
        cdef double extent
        for j in range(self.n_features):
            extent = self.high[j] - self.low[j]
            if self.steps_so_far[j].size > LEAST_STEP * extent:
                # By the whole range, which has the least rounding.
                steps[j] = extent / max(rint(extent / self.steps_so_far[j].size), 1)
        return out

    @property
    def centre(self):
        """The weighted mean, (d,); 0 for a column without values."""
        cdef Py_ssize_t j
        out = np.zeros(self.n_features)
        cdef double[::1] centre = out
        for j in range(self.n_features):
            if not self.has_gaps:
                centre[j] = self.first_row[j] + self.sums[j] / self.weight
            elif self.column_weights[j] > 0:
                centre[j] = self.first_row[j] + self.sums[j] / self.column_weights[j]
        return out

    @property
    def box(self):
        """The least and the greatest number of each feature, (2, d)."""
        cdef const double[::1] ends = <double[:2 * self.n_features]>self.low
        return np.array(ends).reshape(2, self.n_features)

    @property
    def suits_single(self):
        """Whether sums with the weights stay in the range of float32."""
        return 1e-6 < self.heaviest < 1e6

    @property
    def extent(self):
        """The greatest distance from the centre in any feature; NaN where weights have made that no number."""
        cdef Py_ssize_t j
        cdef double centre, distance, most = 0
        for j in range(self.n_features):
            centre = self.first_row[j] + self.sums[j] / self.weight
            distance = max(self.high[j] - centre, centre - self.low[j])
            most = most if most >= distance else distance
            if most != most:
                break
        return most

    def reach(self, const double[::1] origin):
        """Each feature's greatest distance from `origin`, (d,)."""
        expect("origin", origin.shape[0], self.n_features)
        out = np.empty(self.n_features)
        cdef double[::1] distance = out
        self.measure_reach(&origin[0], &distance[0])
        return out

    cdef void measure_reach(self, const double* origin, double* out) noexcept:
        cdef Py_ssize_t j
        for j in range(self.n_features):
            out[j] = max(self.high[j] - origin[j], origin[j] - self.low[j])


def survey_of(source):
    """Survey of all rows, made once."""
    return Survey(source.chunks(), source.n_features)


def restored(
    const double[::1] numbers, bint has_gaps, double weight, double heaviest, Py_ssize_t n_used, nonfinite, infinite,
    const double[::1] steps,
):
    """Return the survey that was pickled."""
    cdef Py_ssize_t d = numbers.shape[0] // 5, j
    cdef Survey survey = Survey([(0, np.zeros((1, d)), None)], d)
    memcpy(survey.first_row, &numbers[0], 5 * d * sizeof(double))
    for j in range(d):
        survey.steps_so_far[j] = Step(steps[j], 0, -1)
    survey.weight, survey.heaviest, survey.n_used = weight, heaviest, n_used
    survey.has_gaps, survey.nonfinite, survey.infinite = has_gaps, nonfinite, infinite
    return survey


cdef int look(
    Survey survey, const data[:, :] rows, const double[::1] weight, Py_ssize_t first, const double[::1] fill
) except -1:
    """Add rows to a survey, of which `first` came before these."""
    cdef Py_ssize_t n = rows.shape[0], d = survey.n_features, i, j
    cdef Rows table = describe_rows(rows, weight)
    cdef Py_ssize_t bad_row = -1, infinite_row = -1, n_stepped = 0
    cdef double total = survey.weight, heaviest = survey.heaviest, w
    cdef double epsilon = FLT_EPSILON if sizeof(data) == sizeof(float) else DBL_EPSILON
    cdef const double* filled = NULL
    cdef const data* row
    expect("a row", rows.shape[1], d)
    if fill is not None:
        expect("fill", fill.shape[0], d)
        filled = &fill[0]
    if n < 1:
        raise ValueError(f"expected one row at least in each chunk, got shape {(n, d)}")
    if not survey.started:
        for j in range(d):
            survey.first_row[j] = survey.low[j] = survey.high[j] = rows[0, j]
            survey.sums[j] = 0
            survey.steps_so_far[j] = Step(NO_STEP_YET if fill is None else 0, 0, -1)
        survey.started = True
    for j in range(d):
        if survey.steps_so_far[j].size != 0:
            survey.columns[n_stepped] = j
            n_stepped += 1
    with nogil:
        for i in range(n):
            w = weight[i] if weight is not None else 1.0
            row = &rows[0, 0] + i * table.row_stride
            if not survey.has_gaps and not look_at(row, table.column_stride, d, w, survey.first_row, survey.sums,
                                                   survey.low, survey.high):
                bad_row, survey.has_gaps = i, True
                for j in range(d):
                    survey.column_weights[j] = total
            if survey.has_gaps and not look_past_gaps(
                    row, table.column_stride, d, w, filled, i == bad_row, survey.first_row, survey.sums, survey.low,
                    survey.high, survey.column_weights):
                infinite_row = i
                break
            total += w
            heaviest = w if w > heaviest else heaviest
            survey.n_used += w > 0
            if n_stepped and w > 0:
                n_stepped = step_to(row, table.column_stride, epsilon, survey.first_row, survey.low, survey.high,
                                    survey.columns, n_stepped, survey.steps_so_far)
    survey.weight, survey.heaviest = total, heaviest
    if bad_row >= 0 and fill is None:
        survey.nonfinite = first + bad_row, int(np.argmin(np.isfinite(rows[bad_row])))
    if infinite_row >= 0:
        survey.infinite = first + infinite_row, int(np.argmax(np.isinf(rows[infinite_row])))
    return 0


def distinct_rows(const double[:, ::1] rows, const double[::1] weight=None):
    """Return the distinct rows, sorted by value.

    Returns
    -------
    distinct : array of shape (m, d)
    mass : array of shape (m,)
        The sum of the weights of each, or the number of its copies.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], m
    if n < 1 or d < 1:
        raise ValueError(f"expected one row and one feature at least, got rows of shape {(n, d)}")
    if weight is not None:
        expect("weight", weight.shape[0], n)
    distinct, mass = np.empty((n, d)), np.empty(n)
    cdef double[:, ::1] out = distinct
    cdef double[::1] total = mass
    cdef char[::1] workspace = np.empty(size_to_sort(n), dtype=np.int8)
    cdef Item* items = <Item*>&workspace[0]
    cdef const double* w = &weight[0] if weight is not None else NULL
    with nogil:
        sort_by_value(&rows[0, 0], n, d, items, items + n, <Py_ssize_t*>(items + 2 * n))
        m = merge_equal(&rows[0, 0], w, items, n, d, &out[0, 0], &total[0])
    return distinct[:m], mass[:m]


def equal_rows(const number[:, ::1] rows):
    """Return the first of each set of equal rows, (E,), in order, and to which of the sets each row belongs, (n,).

    −0 equals 0, and NaN itself.
    """
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], size = 16, place, i, code, n_sets = 0
    cdef uint64_t hashed
    firsts, codes = np.empty(n, dtype=np.intp), np.empty(n, dtype=np.intp)
    cdef Py_ssize_t[::1] first_of = firsts, code_of = codes
    if not d:
        raise ValueError("expected one feature at least, got none")
    while size < 2 * n:
        size *= 2
    cdef Place* table = <Place*>PyMem_Calloc(size, sizeof(Place))
    if table == NULL:
        raise MemoryError
    with nogil:
        for i in range(n):
            hashed = hash_row(&rows[i, 0], d)
            place = hashed & (size - 1)
            while True:
                code = table[place].code - 1
                if code < 0:
                    table[place] = Place(hashed, n_sets + 1)
                    first_of[n_sets], code_of[i] = i, n_sets
                    n_sets += 1
                    break
                if table[place].hash == hashed and are_equal(&rows[i, 0], &rows[first_of[code], 0], d):
                    code_of[i] = code
                    break
                place = (place + 1) & (size - 1)
    PyMem_Free(table)
    return firsts[:n_sets].copy(), codes


cdef inline uint64_t bits_of(number x) noexcept nogil:
    cdef uint64_t result
    if number is double:
        x = x + 0.0  # −0 becomes 0
        memcpy(&result, &x, sizeof(double))
        return result
    else:
        return x


cdef inline uint64_t hash_row(const number* row, Py_ssize_t d) noexcept nogil:
    cdef uint64_t total = 0, factor = 1, value
    cdef Py_ssize_t j
    for j in range(d):
        value = bits_of(row[j])
        factor *= MIXING
        total += (value ^ value >> 29) * factor  # the low bits of most numbers are 0
    total ^= total >> 32
    total *= MIXING
    return total ^ total >> 29


cdef inline bint are_equal(const number* one, const number* other, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        if bits_of(one[j]) != bits_of(other[j]):
            return False
    return True


def checksum(rows, Py_ssize_t first):
    """Return what rows, of which `first` come before these, add to the checksum of all.

    It is Σ_s (2s + 1) Σ_j g^j b_sj modulo 2^64, where b_sj is the sum of the bits of column j in the s-th 256 rows of
    all, as integers, and g is odd: values that change, or change places, give another number.

    Parameters
    ----------
    rows : array of shape (m, d), float32 or float64
        C-contiguous, or each column.
    """
    if not rows.size:
        return 0
    integers = rows.view(f"u{rows.itemsize}")
    if rows.flags.c_contiguous and rows.shape[1] > 1:
        sums = np.empty(max(rows.shape[1], AT_ONCE), np.uint64)
        if rows.itemsize == sizeof(uint32_t):
            return checksum_by_rows[uint32_t](integers, first, sums)
        return checksum_by_rows[uint64_t](integers, first, sums)
    if rows.itemsize == sizeof(uint32_t):
        return checksum_by_columns[uint32_t](integers, first)
    return checksum_by_columns[uint64_t](integers, first)


cdef inline Py_ssize_t end_of_group(Py_ssize_t start, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    return min(n, start + SUMMED - (first + start) % SUMMED)


cdef inline uint64_t group_weight(Py_ssize_t row) noexcept nogil:
    return 2 * <uint64_t>(row // SUMMED) + 1


cdef uint64_t checksum_by_columns(const bits[:, :] rows, Py_ssize_t first) noexcept:
    cdef Py_ssize_t n = rows.shape[0], i, j, start, stop
    cdef const bits* column
    cdef uint64_t total = 0, column_total, group
    with nogil:
        for j in range(rows.shape[1] - 1, -1, -1):
            column, column_total, start = &rows[0, j], 0, 0
            while start < n:
                stop, group = end_of_group(start, first, n), 0
                for i in range(start, stop):
                    group += column[i]
                column_total += group_weight(first + start) * group
                start = stop
            total = MIXING * (total + column_total)
    return total


cdef uint64_t checksum_by_rows(const bits[:, ::1] rows, Py_ssize_t first, uint64_t[::1] sums) noexcept:
    cdef Py_ssize_t n = rows.shape[0], d = rows.shape[1], j, start = 0, stop
    cdef uint64_t total = 0, group
    with nogil:
        while start < n:
            stop, group = end_of_group(start, first, n), 0
            sum_columns(&rows[start, 0], stop - start, d, &sums[0])
            for j in range(d - 1, -1, -1):
                group = MIXING * (group + sums[j])
            total += group_weight(first + start) * group
            start = stop
    return total


cdef void sum_columns(const bits* rows, Py_ssize_t n, Py_ssize_t d, uint64_t* sums) noexcept nogil:
    """Sum each column; of few columns, several rows are added as one, and four of these at once."""
    cdef Py_ssize_t together = max(1, AT_ONCE // d), length = together * d, whole = n // (4 * together), i, j
    cdef const bits* four
    for j in range(length):
        sums[j] = 0
    for i in range(whole):
        four = rows + 4 * i * length
        for j in range(length):
            sums[j] += <uint64_t>four[j] + four[length + j] + four[2 * length + j] + four[3 * length + j]
    for j in range(d, length):
        sums[j % d] += sums[j]
    for i in range(4 * whole * together, n):
        for j in range(d):
            sums[j] += rows[i * d + j]
