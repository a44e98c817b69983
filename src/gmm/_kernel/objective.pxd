"""The objective of an update: the only place that depends on whether the parameters have a prior or a posterior.

With n_k the count of component k, x̄_k and S_k the mean of its rows and their scatter about it, an objective defines

| | likelihood | posterior (MAP) | evidence bound | function |
| --- | --- | --- | --- | --- |
| weights | n_k / n | n_k / n | n_k / n: see below | `normalise_weights` |
| means | x̄_k | (n_k x̄_k + κ m) / (n_k + κ) | as MAP | `shrink_mean` |
| scatter | S_k | S_k + Λ + κ n_k / (κ + n_k) (x̄_k − m)(x̄_k − m)ᵀ | as MAP | `add_to_scatter` |
| divisor of the scatter | n_k | n_k + 1 + c | n_k + c | `divisor` |
| log offset, + ½ d log 2π | log π_k + log det W_k | likewise | E log π_k + ½ E log det Λ_k − d/(2β_k) | `log_offsets` |
| log density of noise | log (1 − Σ_k π_k) − log V | likewise | E log τ − log V | `log_noise` |
| added to the log evidence | 0 | log p(μ, Σ) | −KL(q(τ, π, μ, Σ) ‖ p(τ, π, μ, Σ)) | `parameter_term` |

The prior is conjugate (Fraley & Raftery 2007, section 3): μ_k | Σ_k ~ N(m, Σ_k / κ), and Σ_k has an inverse Wishart
or inverse gamma density worth c rows with scatter Λ.  In the low-rank layout it is the noise Ψ_k of factors that
has it (`low_rank.pxd`), and c and Λ are no part of scatter and divisor. The divisor's 1 is the factor |Σ_k|^−½ of the
mean's density: K where all components share a covariance, 0 where the means have no prior. A mean that is fixed stands
for x̄_k, S_k is then the scatter about it, and the last term of the scatter has the factor κ.

The evidence bound is that of a variational posterior (Bishop 2006, section 10.2; Blei & Jordan 2006): q(μ_k | Σ_k) =
N(m_k, Σ_k / β_k) with β_k = κ + n_k, and the precision Λ_k ~ Wishart with ν_k = c + n_k degrees of freedom and mean
W_kᵀ W_k = Σ_k⁻¹. Here c is ν_0, and the scatter Λ of the table is the inverse of the prior's scale; where all
components share a covariance, both are K times as much, and ν_k is a K-th of the divisor. A layout restricts the
posterior, never the prior, so all of them are one model, and the Wishart's functions are those of d features. A
mixture's "weights" are the shares n_k / n: with them and the weight n of all rows, q(π) is known.  With noise, whose
share τ has a uniform prior and the posterior Beta(1 + n_0, 1 + n − n_0), π_k are shares of the rest: E log (1 − τ) is
added to E log π_k.
"""
from libc.float cimport DBL_MIN
from libc.math cimport INFINITY, M_PI, log
from libc.string cimport memcpy, memset

from gmm._kernel.estimate cimport Estimate
from gmm._kernel.family cimport (
    EACH_DEGREES,
    EVIDENCE_BOUND,
    LIKELIHOOD,
    POSTERIOR,
    NO_TAILS,
    NoisePrior,
    Objective,
    has_noise,
    likelihood,
    rest_of,
)
from gmm._kernel.layout cimport (
    Layout,
    axis_stride,
    component_stride,
    end_component,
    features_per_number,
    first_component,
    is_dense,
    is_low_rank,
    is_pooled,
    matrix_count,
    matrix_of,
    matrix_size,
    mirror_all,
    n_matrices,
    subtract_outer,
)
from gmm._kernel.moments cimport Moments
from gmm._kernel.tails cimport expected_precision, likeliest_degrees, log_tail_constant
from gmm._kernel.variational cimport (
    expected_log_share,
    expected_log_weights,
    gain_of_merged_weights,
    half_expected_log_precision,
    log_wishart_volume,
    minus_mean_divergence,
    minus_share_divergence,
    minus_weights_divergence,
    minus_wishart_divergence,
)
from gmm._kernel.whitener cimport half_square, half_trace_of_noise, half_trace_of_product

cdef inline Objective posterior(
    Layout layout, Py_ssize_t K, const double* mean, const double* scale,
    double shrinkage, double pseudocount, double constant,
) noexcept nogil:
    cdef Objective objective = likelihood()
    objective.kind = POSTERIOR
    objective.mean, objective.scale, objective.shrinkage = mean, scale, shrinkage
    objective.mean_terms = (K if is_pooled(layout) else 1) if shrinkage > 0 else 0
    objective.constant = constant
    if is_low_rank(layout):                        # the prior is that of the noise of factors
        objective.factor_noise.rows, objective.factor_noise.scale = pseudocount, scale
    else:
        objective.pseudocount = pseudocount
    return objective


cdef inline Objective evidence_bound(
    const double* mean, const double* scale, double shrinkage, double pseudocount, double constant,
    double concentration, bint sticks, double weight,
) noexcept nogil:
    cdef Objective objective = likelihood()
    objective.kind = EVIDENCE_BOUND
    objective.mean, objective.scale, objective.shrinkage = mean, scale, shrinkage
    objective.pseudocount, objective.constant = pseudocount, constant
    objective.concentration, objective.sticks, objective.weight = concentration, sticks, weight
    return objective


cdef inline bint adds_rows(const Objective* objective) noexcept nogil:
    """Return whether the objective counts rows of its own in addition to those of the data."""
    return objective.kind != LIKELIHOOD


cdef inline bint is_bound(const Objective* objective) noexcept nogil:
    return objective.kind == EVIDENCE_BOUND


cdef inline double dof(
    const Objective* objective, Layout layout, Py_ssize_t K, const double* weights, Py_ssize_t k,
) noexcept nogil:
    """ν_k, the degrees of freedom of a component."""
    cdef double count = objective.weight * matrix_count(layout, K, weights, matrix_of(layout, k))
    return divisor(objective, count) / (K if is_pooled(layout) else 1)


cdef inline double noise_count(const Objective* objective, Py_ssize_t K, const double* weights) noexcept nogil:
    """n_0, of a bound; rounding may let the components leave less than nothing."""
    return objective.weight * max(0, rest_of(weights, K, 1))


# --------------------------------------------------------------------------- counts to parameters

cdef inline void normalise_weights(
    Py_ssize_t K, double total,
    double* weights,                               # IN counts, OUT weights
) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(K):
        weights[k] /= total


cdef inline double mean_weight(const Objective* objective, double count) noexcept nogil:
    """Share of the prior's mean in the mean of a component."""
    return objective.shrinkage / (count + objective.shrinkage)


cdef inline void shrink_mean(
    const Objective* objective, Py_ssize_t d, double count,
    double* mean,                                  # IN, OUT (d,)
) noexcept nogil:
    cdef Py_ssize_t j
    cdef double weight
    if not adds_rows(objective):
        return
    weight = mean_weight(objective, count)
    for j in range(d):
        mean[j] += weight * (objective.mean[j] - mean[j])


cdef inline double divisor(const Objective* objective, double count) noexcept nogil:
    """Return the number by which the scatter of so many rows is divided."""
    return count + objective.mean_terms + objective.pseudocount


cdef inline void add_to_scatter(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const Moments* moments, const double* counts, const double* steps,     # IN steps (K, d) from the origins to x̄_k
    const unsigned char* fixed,                    # IN (K,) where they lead to a mean that stays instead; or NULL
    Py_ssize_t start, Py_ssize_t end,              # of the matrices
    double* scatter,                               # IN, OUT dense: the lower triangle
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(layout, d), i, k, m
    cdef Py_ssize_t stride = component_stride(layout, d)
    cdef double strength
    if not adds_rows(objective):
        return
    for m in range(start, end):
        for i in range(size):
            scatter[m * size + i] += objective.scale[i]
    for k in range(first_component(layout, start), end_component(layout, K, end)):
        strength = counts[k] * mean_weight(objective, counts[k])
        if fixed != NULL and fixed[k]:
            strength = objective.shrinkage
        add_mean_scatter(objective, layout, d, strength, moments.origins + k * d, steps + k * d, scatter + k * stride)


cdef inline void add_mean_scatter(
    const Objective* objective, Layout layout, Py_ssize_t d, double strength, const double* origin, const double* step,
    double* scatter,                               # IN, OUT += strength (x̄ − m)(x̄ − m)ᵀ
) noexcept nogil:
    cdef Py_ssize_t stride = axis_stride(layout), shared = features_per_number(layout, d), i, j
    cdef double apart
    for i in range(d):
        apart = origin[i] + step[i] - objective.mean[i]
        if is_dense(layout):
            for j in range(i + 1):
                scatter[i * d + j] += strength * apart * (origin[j] + step[j] - objective.mean[j])
        else:
            scatter[i * stride] += strength * (apart * apart) / shared


cdef inline void choose_tails(
    const Objective* objective, Py_ssize_t K, const Moments* moments,
    double* tails,                                 # OUT (K,) given or estimated
) noexcept nogil:
    cdef Py_ssize_t k
    memset(tails, 0, K * sizeof(double))
    if objective.tails != NULL:
        memcpy(tails, objective.tails, K * sizeof(double))
    for k in range(0 if objective.free_tails == NO_TAILS else K):
        if objective.free_tails == EACH_DEGREES:
            tails[k] = likeliest_degrees(moments.precision[k] / max(moments.counts[k], DBL_MIN))
        elif k > 0:
            tails[k] = tails[0]
        else:
            tails[k] = likeliest_degrees(rest_of(moments.precision, K, 0) / rest_of(moments.counts, K, 0))


cdef inline void set_initial_share(
    const Objective* objective, Py_ssize_t K,
    double share,                                  # of the rows that noise has where a fit starts
    Moments* moments,                              # IN of a partition, OUT as of a pass with noise and heavy tails
) noexcept nogil:
    """Set what a fit starts with in moments: the share of noise, and degrees of freedom that are estimated."""
    cdef Py_ssize_t k
    if has_noise(objective):
        moments.weight = rest_of(moments.counts, K, 0) / (share - 1)
    for k in range(K if objective.free_tails != NO_TAILS else 0):
        moments.precision[k] = moments.counts[k] * expected_precision(objective.tails[k])


# ------------------------------------------------------------------------------ what a pass adds up

cdef inline void log_offsets(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* whiteners, const double* log_determinants,        # IN
    double noise,                                  # IN variance, in every feature, through which rows are seen
    const double* tails,                           # IN (K,)
    double* log_offset,                            # OUT (K,) log π_k + log|W_k| − d/2·log 2π − ½ noise tr Σ_k⁻¹
) noexcept nogil:
    cdef Py_ssize_t k
    cdef double constant, of_noise
    if is_bound(objective):
        expected_log_weights(K, weights, objective.weight, objective.concentration, objective.sticks, log_offset)
    else:
        for k in range(K):
            log_offset[k] = log(weights[k])
    if is_bound(objective) and has_noise(objective):
        of_noise = noise_count(objective, K, weights)
        for k in range(K):
            log_offset[k] += expected_log_share(objective.weight - of_noise, of_noise)
    for k in range(K):
        constant = 0.5 * d * log(2 * M_PI) - log_tail_constant(tails[k], d)
        log_offset[k] = log_offset[k] + log_determinants[matrix_of(layout, k)] - constant
        if noise > 0:
            log_offset[k] -= half_trace_of_noise(layout, d, whiteners, k, noise)
        if is_bound(objective):
            log_offset[k] += half_expected_log_precision(dof(objective, layout, K, weights, k), d)
            log_offset[k] -= 0.5 * d / (objective.shrinkage + objective.weight * weights[k])


cdef inline double log_noise(const Objective* objective, Py_ssize_t K, const double* weights) noexcept nogil:
    """Log density of noise, its weight included."""
    cdef double rest = rest_of(weights, K, 1) if has_noise(objective) else 0, count
    if is_bound(objective) and has_noise(objective):
        count = noise_count(objective, K, weights)
        return expected_log_share(count, objective.weight - count) + objective.log_noise
    return log(rest) + objective.log_noise if rest > 0 else -INFINITY


cdef inline double parameter_term(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* mixture,
) noexcept nogil:
    """Return the term added to the rows' log evidence: the log density of the parameters, or minus a divergence."""
    cdef Py_ssize_t size = matrix_size(layout, d), k, m
    cdef double total = objective.constant
    if not adds_rows(objective):
        return 0
    if is_bound(objective):
        return minus_divergence(objective, layout, K, d, mixture)
    for m in range(n_matrices(layout, K)):
        if is_low_rank(layout):
            total += log_noise_density(&objective.factor_noise, mixture.whiteners + m * size, d)
            continue
        total += objective.pseudocount * mixture.log_determinants[m]
        total -= half_trace_of_product(layout, d, mixture.whiteners + m * size, objective.scale)
    if objective.shrinkage > 0:
        for k in range(K):
            m = matrix_of(layout, k)
            total += mixture.log_determinants[m]
            total -= objective.shrinkage * half_square(
                layout, d, mixture.whiteners + m * size, mixture.means + k * d, objective.mean)
    return total


cdef inline double log_noise_density(const NoisePrior* prior, const double* roots, Py_ssize_t d) noexcept nogil:
    """Log density of ψ, given ψ^-½, but for a constant."""
    cdef Py_ssize_t j
    cdef double total = 0
    for j in range(d if prior.rows > 0 else 0):
        total += prior.rows * log(roots[j]) - prior.scale[j] * roots[j] * roots[j] / 2
    return total


cdef inline double minus_divergence(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, const Estimate* mixture,
) noexcept nogil:
    """−KL(q(τ, π, μ, Σ) ‖ p(τ, π, μ, Σ)) of the posterior that a mixture stands for."""
    cdef Py_ssize_t size = matrix_size(layout, d), k, m
    cdef double beta = objective.shrinkage, prior_dof = divisor(objective, 0) / (K if is_pooled(layout) else 1)
    cdef double total = objective.constant + minus_weights_divergence(
        K, mixture.weights, objective.weight, objective.concentration, objective.sticks)
    cdef double count = noise_count(objective, K, mixture.weights)
    if has_noise(objective):
        total += minus_share_divergence(count, objective.weight - count)
    for m in range(n_matrices(layout, K)):
        total -= half_trace_of_product(layout, d, mixture.whiteners + m * size, objective.scale)
        k = first_component(layout, m)
        total += (end_component(layout, K, m + 1) - k) * minus_wishart_divergence(
            dof(objective, layout, K, mixture.weights, k), prior_dof, mixture.log_determinants[m], d)
    for k in range(K):
        total += minus_mean_divergence(beta + objective.weight * mixture.weights[k], beta, d)
        total -= beta * half_square(layout, d, mixture.whiteners + matrix_of(layout, k) * size,
                                    mixture.means + k * d, objective.mean)
    return total


# -------------------------------------------------------------------- components that become one

cdef inline double covariance_evidence(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d, double count, double log_determinant,
) noexcept nogil:
    """Return what one covariance adds to the bound at its own responsibilities, whose entropy is not in it.

    `count` is that of its rows, `log_determinant` that of its whitener after the update by them.
    """
    cdef Py_ssize_t copies = K if is_pooled(layout) else 1
    return copies * log_wishart_volume(divisor(objective, count) / copies, log_determinant, d)


cdef inline double gain_of_merged_means(
    const Objective* objective, Py_ssize_t d, double one, double other,        # IN counts
) noexcept nogil:
    cdef double beta = objective.shrinkage
    return d * log((one + beta) / (one + other + beta) * ((other + beta) / beta)) / 2


cdef inline double gain_of_merged_shares(
    const Objective* objective, Py_ssize_t K, const double* counts, Py_ssize_t into, Py_ssize_t gone, Py_ssize_t last,
) noexcept nogil:
    return gain_of_merged_weights(K, counts, into, gone, last, objective.concentration, objective.sticks)


# ------------------------------------------------------------ rows of its own, for the accelerated solver

cdef inline double rows_per_mean(const Objective* objective) noexcept nogil:
    """Rows that the prior of a mean is worth."""
    return objective.shrinkage


cdef inline double rows_per_weight(const Objective* objective) noexcept nogil:
    """Rows that the prior of a weight is worth, in the metric of a posterior's counts."""
    if not is_bound(objective):
        return 0
    return 1 if objective.sticks else objective.concentration


cdef inline double least_noise(const Objective* objective, double count, double weight) noexcept nogil:
    """Rows that a step must leave noise: a tenth, or any number where a prior holds it, but for rounding."""
    return -1e-12 * weight if is_bound(objective) else 0.1 * count


cdef inline double rows_per_covariance(const Objective* objective) noexcept nogil:
    """Rows that the priors of a covariance, and of the means that it scales, are worth."""
    return divisor(objective, 0)


cdef inline void add_own_rows(
    const Objective* objective, Layout layout, Py_ssize_t K, Py_ssize_t d,
    double factor,                                 # IN 1, or −1 to subtract them
    double* step, double* minus,                   # scratch (d,), (d,)
    Moments* moments,                              # IN, OUT
) noexcept nogil:
    """Add κ (m − o_k) to first moments, κ (m − o_k)(m − o_k)ᵀ + Λ to second ones; counts stay those of the data."""
    cdef Py_ssize_t size = matrix_size(layout, d), i, j, k, m
    if not adds_rows(objective):
        return
    for m in range(n_matrices(layout, K)):
        for i in range(size):
            moments.second[m * size + i] += factor * objective.scale[i]
    for k in range(K):
        for j in range(d):
            step[j] = objective.mean[j] - moments.origins[k * d + j]
            minus[j] = -factor * objective.shrinkage * step[j]
            moments.first[k * d + j] -= minus[j]
        subtract_outer(layout, d, step, minus, moments.second + k * component_stride(layout, d))
    mirror_all(layout, K, d, moments.second)
