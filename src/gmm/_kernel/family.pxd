"""The mixtures to choose from, and what is maximised over them: what `mstep.pyx` computes with."""
from libc.math cimport INFINITY

from gmm._kernel.layout cimport Layout

cdef struct NoisePrior:
    # Inverse-gamma density of each variance ψ of the noise of factors, ∝ exp −½ (rows log ψ + scale / ψ).
    double rows                 # 0: there is none
    const double* scale         # (d,)


cdef struct Constraint:
    # One row of the table in `mstep.pyx`; the functions are those of `constraint.pxd`.
    Layout layout               # of the covariances that it constrains; LOW_RANK with any number of factors
    bint volumes_vary           # which makes it none for one feature
    Py_ssize_t (*workspace_size)(Py_ssize_t K, Py_ssize_t d, Py_ssize_t n_factors) noexcept nogil       # in doubles
    # Replaces free covariances by the most likely ones, with weights (K,) that sum to 1. Returns whether there are any.
    # A search starts at `previous`, which an earlier call wrote, or is NULL.
    bint (*solve)(Py_ssize_t K, Py_ssize_t d, const double* weights, const double* previous, double* covariances,
                  double* workspace) noexcept nogil
    # Instead, one covariance by itself, also where there is one component.
    bint isotropic              # its noise, where there are factors
    bint (*solve_each)(bint isotropic, Py_ssize_t d, Py_ssize_t n_factors, double least, double count,
                       const NoisePrior* prior, const double* previous, double* covariance,
                       double* workspace) noexcept nogil


cdef enum ObjectiveKind:
    LIKELIHOOD = 0
    POSTERIOR = 1
    EVIDENCE_BOUND = 2


cdef enum FreeTails:
    # Which degrees of freedom are estimated.
    NO_TAILS = 0
    SHARED_DEGREES = 1          # of all components
    EACH_DEGREES = 2            # of each component


cdef struct Objective:
    # The likelihood without noise has zeros and NULLs after its kind.
    ObjectiveKind kind
    const double* mean          # (d,) m
    const double* scale         # one matrix Λ in the layout of the covariances
    double shrinkage            # κ, in rows; 0: the means have no prior
    double mean_terms           # means whose prior each covariance scales
    double pseudocount          # c, in rows
    double constant             # of the prior's log density
    double concentration        # of the prior of the weights, in rows
    bint sticks                 # which breaks sticks (a Dirichlet process); else it is a Dirichlet distribution
    double weight               # n, of all rows
    NoisePrior factor_noise     # of the noise where there are factors
    double log_noise            # log density of uniform noise, whose weight the components leave; −∞: there is none
    const double* tails         # (K,) given, as an `Estimate` has them; NULL: normal, or estimated
    FreeTails free_tails


cdef inline Objective likelihood() noexcept nogil:
    cdef Objective objective
    objective.kind = LIKELIHOOD
    objective.mean = objective.scale = NULL
    objective.shrinkage = objective.mean_terms = objective.pseudocount = objective.constant = 0
    objective.concentration = objective.weight = 0
    objective.sticks = False
    objective.factor_noise.rows, objective.factor_noise.scale = 0, NULL
    objective.log_noise = -INFINITY
    objective.tails, objective.free_tails = NULL, NO_TAILS
    return objective


cdef enum Part:
    # The parts of a mixture, in the order of a table of what is fixed.
    WEIGHTS = 0
    MEANS = 1
    COVARIANCES = 2


cdef struct Family:
    # The mixtures to choose from, and what an update maximises over them.
    Layout layout               # of covariances and second moments
    const Constraint* constraint    # on the covariances, beyond their layout; NULL for none
    double max_ratio            # of the eigenvalues of all covariances, in place of the constraint; ∞ for none
    Py_ssize_t K
    Py_ssize_t d
    double ridge                # on the covariances' diagonals, before they are constrained; least noise of factors
    Py_ssize_t n_factors        # of each covariance; 0 where the constraint has none
    const int* owners           # (K,) classes of the components, equal ones side by side; NULL where rows have none
    Objective objective
    const unsigned char* fixed      # (3, K) whether a weight, mean or covariance is fixed; NULL for none


cdef inline Family unconstrained(Layout layout, Py_ssize_t K, Py_ssize_t d, double ridge) noexcept nogil:
    """The mixtures with free covariances, of which the likeliest is sought."""
    cdef Family family
    family.layout, family.K, family.d, family.ridge = layout, K, d, ridge
    family.constraint, family.max_ratio, family.n_factors, family.owners = NULL, INFINITY, 0, NULL
    family.objective, family.fixed = likelihood(), NULL
    return family


cdef inline bint is_constrained(const Family* family) noexcept nogil:
    return family.constraint != NULL or family.max_ratio < INFINITY


cdef inline bint has_noise(const Objective* objective) noexcept nogil:
    return objective.log_noise > -INFINITY


cdef inline double rest_of(const double* shares, Py_ssize_t K, double whole) noexcept nogil:
    """Return the part of weights or counts that is not the components' but noise's."""
    cdef Py_ssize_t k
    for k in range(K):
        whole -= shares[k]
    return whole


cdef inline Py_ssize_t last_of_class(const Family* family, Py_ssize_t k) noexcept nogil:
    """The last component of the class of one, or of all where rows have no classes."""
    cdef Py_ssize_t last = family.K - 1
    while family.owners != NULL and family.owners[last] != family.owners[k]:
        last -= 1
    return last
