"""Expectations and divergences of a variational posterior: of its Wishart, Dirichlet and beta distributions.

A prior and a posterior that differ by counts n, and Λ ~ Wishart with ν degrees of freedom and scale (νΣ)⁻¹, so that
E Λ = Σ⁻¹. Equations are those of Bishop (2006) and of Blei & Jordan (2006).
"""
from libc.math cimport M_PI, lgamma, log

cdef inline double digamma(double x) noexcept nogil:
    """ψ(x), x > 0 (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18)."""
    cdef double total = 0, y
    while x < 10:
        total -= 1 / x
        x += 1
    y = 1 / (x * x)
    return total + log(x) - 0.5 / x - y * (1 / 12. - y * (1 / 120. - y * (1 / 252. - y * (
        1 / 240. - y * (1 / 132. - y * (691 / 32760. - y / 12))))))


cdef inline double log_beta(double a, double b) noexcept nogil:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


# -------------------------------------------------------------------------------------- covariances

cdef inline double digamma_sum(double dof, Py_ssize_t d) noexcept nogil:
    """Σ_j ψ((ν − j) / 2), j = 0 … d − 1: E log|Λ| − d log(2/ν) − log|Σ⁻¹| (10.65)."""
    cdef Py_ssize_t j
    cdef double total = 0
    cdef double[2] last
    for j in range(d):
        # ψ(x) = ψ(x + 1) − 1/x (Abramowitz & Stegun 1964, 6.3.5)
        last[j % 2] = digamma((dof - j) / 2) if j < 2 else last[j % 2] - 2 / (dof - j)
        total += last[j % 2]
    return total


cdef inline double log_gamma_sum(double dof, Py_ssize_t d) noexcept nogil:
    """Logarithm of the multivariate gamma function at ν/2 (B.79)."""
    cdef Py_ssize_t j
    cdef double total = d * (d - 1) / 4. * log(M_PI)
    cdef double[2] last
    for j in range(d):
        last[j % 2] = lgamma((dof - j) / 2) if j < 2 else last[j % 2] - log((dof - j) / 2)
        total += last[j % 2]
    return total


cdef inline double half_expected_log_precision(double dof, Py_ssize_t d) noexcept nogil:
    """½ E log|Λ| less log|W|, WᵀW = Σ⁻¹ (10.65)."""
    return (digamma_sum(dof, d) + d * log(2 / dof)) / 2


cdef inline double minus_wishart_divergence(
    double dof, double prior_dof, double log_determinant, Py_ssize_t d,        # IN log|W|
) noexcept nogil:
    """−KL(q(Λ) ‖ p(Λ)) less the prior's log normaliser (B.79) and plus ½ tr Σ⁻¹ C, C⁻¹ the prior's scale."""
    cdef double log_volume = 2 * log_determinant + d * log(2 / dof)
    return (prior_dof * log_volume / 2 + log_gamma_sum(dof, d) - (dof - prior_dof) / 2 * digamma_sum(dof, d)
            + dof * d / 2)


cdef inline double log_wishart_volume(double dof, double log_determinant, Py_ssize_t d) noexcept nogil:
    """Logarithm of ∫ |Λ|^((ν − d − 1)/2) exp(−½ν tr ΣΛ) dΛ (B.78), IN log|W|."""
    return dof * (2 * log_determinant + d * log(2 / dof)) / 2 + log_gamma_sum(dof, d)


cdef inline double minus_mean_divergence(double precision, double prior_precision, Py_ssize_t d) noexcept nogil:
    """−E KL(q(μ | Λ) ‖ p(μ | Λ)) plus ½ β_0 ‖W (m − m_0)‖², with β, β_0 the precisions of the mean."""
    return d * (1 - prior_precision / precision + log(prior_precision / precision)) / 2


# ------------------------------------------------------------------------------------------ weights

cdef inline void expected_log_weights(
    Py_ssize_t K, const double* shares, double rows, double concentration, bint sticks,    # IN n_k = rows · share
    double* out,                                   # OUT (K,)
) noexcept nogil:
    """E log π_k: of a Dirichlet distribution (10.66), or of stick breaking (Blei & Jordan 2006, section 4)."""
    cdef Py_ssize_t k
    cdef double concentrations = 0, later_rows = 0, before = 0, a, b, both
    if not sticks:
        for k in range(K):
            concentrations += concentration + rows * shares[k]
        both = digamma(concentrations)
        for k in range(K):
            out[k] = digamma(concentration + rows * shares[k]) - both
        return
    for k in range(K - 1, -1, -1):
        out[k] = later_rows
        later_rows += rows * shares[k]
    for k in range(K):
        a, b = 1 + rows * shares[k], concentration + out[k]
        both = digamma(a + b)
        out[k] = before + digamma(a) - both
        before += digamma(b) - both


cdef inline double minus_weights_divergence(
    Py_ssize_t K, const double* shares, double rows, double concentration, bint sticks,
) noexcept nogil:
    """−KL(q(π) ‖ p(π)) less the prior's log normaliser: of Dirichlet distributions (B.23), or of sticks."""
    cdef Py_ssize_t k
    cdef double total = 0, concentrations = 0, later_rows = 0, n, a, b, both
    if not sticks:
        for k in range(K):
            concentrations += concentration + rows * shares[k]
        both = digamma(concentrations)
        for k in range(K):
            n = rows * shares[k]
            total += lgamma(concentration + n) - n * (digamma(concentration + n) - both)
        return total - lgamma(concentrations)
    for k in range(K - 1, -1, -1):
        n = rows * shares[k]
        a, b = 1 + n, concentration + later_rows
        both = digamma(a + b)
        total += log_beta(a, b) - n * (digamma(a) - both) - later_rows * (digamma(b) - both)
        later_rows += n
    return total


cdef inline double gain_of_merged_weights(
    Py_ssize_t K, const double* counts, Py_ssize_t into, Py_ssize_t gone, Py_ssize_t last,     # IN into < gone <= last
    double concentration, bint sticks,
) noexcept nogil:
    """By how much log ∫ p(z | π) p(π) dπ rises if `gone` joins `into`, those up to `last` move up, and it is empty."""
    cdef Py_ssize_t k
    cdef double both = counts[into] + counts[gone], later = 0, behind = 0, gain
    if not sticks:
        return (lgamma(concentration + both) + lgamma(concentration)
                - lgamma(concentration + counts[into]) - lgamma(concentration + counts[gone]))
    for k in range(gone + 1, K):
        later += counts[k]
        behind += counts[k] if k > last else 0
    gain = log_beta(1, concentration + behind) - log_beta(1 + counts[gone], concentration + later)
    for k in range(gone - 1, into, -1):            # sticks between them lose the rows of `gone` behind them
        gain += log_beta(1 + counts[k], concentration + later)
        gain -= log_beta(1 + counts[k], concentration + later + counts[gone])
        later += counts[k]
    return (gain + log_beta(1 + both, concentration + later)
            - log_beta(1 + counts[into], concentration + later + counts[gone]))


# -------------------------------------------------------------------------------------------- noise

cdef inline double expected_log_share(double rows, double others) noexcept nogil:
    """E log τ of a share τ whose prior is uniform."""
    return digamma(1 + rows) - digamma(2 + rows + others)


cdef inline double minus_share_divergence(double rows, double others) noexcept nogil:
    """−KL(q(τ) ‖ p(τ))."""
    return (log_beta(1 + rows, 1 + others) - rows * expected_log_share(rows, others)
            - others * expected_log_share(others, rows))
