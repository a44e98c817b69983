"""Covariances of few factors, Σ = Λ Λᵀ + Ψ with Λ (d, q), that are most likely given a free covariance C.

Ψ is σ² I in principal component analysis, where the maximum has a closed form (Tipping and Bishop 1999, equations 7 and
8), or diagonal in factor analysis.  There the maximum over Λ is known for each Ψ (Lawley 1940): with m_1 ≤ … ≤ m_d the
eigenvalues of Ψ^½ C⁻¹ Ψ^½ and u_i their vectors, Σ = Ψ^½ (I + Σ_{i ≤ q, m_i < 1} (1/m_i − 1) u_i u_iᵀ) Ψ^½.  What is
left to minimise, by Newton's method in log ψ (Jöreskog 1967; Clarke 1970), is

    log|Σ| + tr Σ⁻¹C = Σ_j log ψ_j + Σ_{i ≤ q, m_i < 1} (1 − log m_i) + Σ_{other i} 1/m_i.

The inverse of C has the eigenvalues of the residual on top, where they are exact however small ψ_j is.  Where C is
nearly singular relative to Ψ, the largest m_i is so large that its rounding is more than the small ones, the factors;
then the 1/m_i are computed instead, as eigenvalues of Ψ^-½ C Ψ^-½, in which factors are on top (`evaluate`).

The likelihood may have several maxima, and may rise until a ψ_j is 0; so each has a least value, without a ridge a
share of C_jj.
"""
from libc.float cimport DBL_EPSILON
from libc.math cimport INFINITY, exp, fabs, isfinite, log
from libc.string cimport memcpy, memset

from gmm._kernel.axes cimport axes_workspace_size, from_axes, principal_axes
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.family cimport NoisePrior
from gmm._kernel.layout cimport mirror

cdef enum:
    MOST_STEPS = 60           # of Newton's method, which takes 4 to 10 where all ψ are above their least values
    MOST_HALVINGS = 8         # of a step: one that needs more is rounding
    LONGEST_STEP = 3          # of a log ψ
    MOST_STARTS = 40          # of one covariance that is taken apart
    MOST_RAISES = 5           # of the variances of a singular matrix, until it is none: the last doubles them
    MOST_SPREAD = 100000000   # of the m, from which their rounding may show in the factors


cdef struct Analysis:
    Py_ssize_t d
    Py_ssize_t q
    Py_ssize_t n_top            # factors: of the first q directions those with more variance than Ψ
    const double* covariance    # (d, d) C
    bint definite               # whether C is positive definite beyond rounding
    double* precision           # (d, d) C⁻¹; where that is none, of C with larger variances
    double* lowest              # (d,) least log ψ
    double* logs                # (d,) log ψ
    double* gradient            # (d,) of the objective
    double* variances           # (d,) 1 / m, descending (ppca: of C, ascending), along `axes`
    double* axes                # (d, d) u_i, one a row
    double* weights             # (d,) scratch
    double* step                # (d,)
    double* before              # (d,) log ψ before the step
    double* slopes              # (d,) the gradient there; scratch
    double* roots               # (d,) ψ^½
    double* other               # (d,) log ψ of another minimum; scratch
    double* curvature           # (d, d) scratch
    double* summand             # (d, d) scratch
    double* workspace


cdef inline Py_ssize_t factors_workspace_size(Py_ssize_t K, Py_ssize_t d, Py_ssize_t q) noexcept nogil:
    """In doubles, whatever the number of components, which are analysed in turn."""
    return 4 * d * d + 10 * d + max(axes_workspace_size(d), d * d)


cdef inline Analysis analysis_in(double* buffer, Py_ssize_t d, Py_ssize_t q) noexcept nogil:
    cdef Analysis a
    a.d, a.q, a.n_top = d, q, 0
    a.precision, a.axes, a.curvature, a.summand = buffer, buffer + d * d, buffer + 2 * d * d, buffer + 3 * d * d
    buffer += 4 * d * d
    a.lowest, a.logs, a.gradient, a.variances = buffer, buffer + d, buffer + 2 * d, buffer + 3 * d
    a.step, a.before, a.slopes = buffer + 4 * d, buffer + 5 * d, buffer + 6 * d
    a.roots, a.other = buffer + 7 * d, buffer + 8 * d
    a.weights, a.workspace = buffer + 9 * d, buffer + 10 * d
    return a


# ------------------------------------------------------------------------------------------ the objective

cdef inline bint relative_precisions(Analysis* a) noexcept nogil:
    """Write the m, ascending, to `variances`, and their axes; return whether LAPACK could compute them."""
    cdef Py_ssize_t d = a.d, i, j
    cdef double most = 0, most_of_factors = 0      # at most the largest m, and the largest 1 / m
    for j in range(d):
        most += a.roots[j] * a.roots[j] * a.precision[j * d + j]
        most_of_factors += a.covariance[j * d + j] / (a.roots[j] * a.roots[j])
    if a.definite and not (most > most_of_factors and most * most_of_factors > MOST_SPREAD):
        for i in range(d):
            for j in range(d):
                a.axes[i * d + j] = a.roots[i] * a.precision[i * d + j] * a.roots[j]
        if not principal_axes(a.axes, d, a.variances, a.workspace):
            return False
        for i in range(d):
            a.variances[i] = max(a.variances[i], DBL_EPSILON)      # rounding may make it negative
        return True
    for i in range(d):
        for j in range(d):
            a.axes[i * d + j] = a.covariance[i * d + j] / a.roots[i] / a.roots[j]
    if not principal_axes(a.axes, d, a.variances, a.workspace):
        return False
    for i in range(d):
        a.variances[i] = 1 / a.variances[i] if a.variances[i] > 0 else INFINITY
    for i in range(d // 2):
        exchange(a.variances + i, a.variances + d - 1 - i, 1)
        exchange(a.axes + i * d, a.axes + (d - 1 - i) * d, d)
    return True


cdef inline void exchange(double* a, double* b, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    cdef double x
    for j in range(n):
        x = a[j]
        a[j] = b[j]
        b[j] = x


cdef inline double evaluate(Analysis* a) noexcept nogil:
    """Return the objective at `logs`, and write its gradient; it is infinite where LAPACK fails."""
    cdef Py_ssize_t d = a.d, i, j
    cdef double total = 0, m
    for j in range(d):
        a.roots[j] = exp(a.logs[j] / 2)
        a.gradient[j] = 0
        total += a.logs[j]
    if not relative_precisions(a):
        return INFINITY
    a.n_top = 0
    for i in range(d):
        m = a.variances[i]
        a.variances[i] = 1 / m
        if i < a.q and m < 1:
            a.n_top = i + 1
            total += 1 - log(m)
            continue
        total += 1 / m
        for j in range(d):
            a.gradient[j] += (1 - 1 / m) * a.axes[i * d + j] * a.axes[i * d + j]
    return total if isfinite(total) else INFINITY


cdef inline void second_derivatives(Analysis* a, bint exact) noexcept nogil:
    """Write them to `curvature`, lower; if not exact, without what may make them indefinite."""
    cdef Py_ssize_t d = a.d, n = a.d - a.n_top, i, j, k, r
    cdef double x, y
    cdef const double* others = a.axes + a.n_top * d
    cdef const double* u
    for r in range(n):
        a.weights[r] = 1
    from_axes(others, a.weights, n, d, a.curvature, a.workspace)
    from_axes(others, a.variances + a.n_top, n, d, a.summand, a.workspace)
    for j in range(d):
        for k in range(j + 1):
            a.curvature[j * d + k] *= a.summand[j * d + k]
    for i in range(a.n_top if exact else 0):
        x, u = a.variances[i], a.axes + i * d
        for r in range(n):
            y = a.variances[a.n_top + r]
            a.weights[r] = (x + y) * (1 - y) / (x - y) if y < x else 0         # equal ones turn freely
        from_axes(others, a.weights, n, d, a.summand, a.workspace)
        for j in range(d):
            for k in range(j + 1):
                a.curvature[j * d + k] += u[j] * u[k] * a.summand[j * d + k]


cdef inline bint is_free(const Analysis* a, Py_ssize_t j) noexcept nogil:
    """Return whether a ψ may move: not if it would go below its least value."""
    return a.logs[j] > a.lowest[j] or a.gradient[j] < -1e-9       # less is rounding


cdef inline bint solve_step(Analysis* a, bint exact, double damping) noexcept nogil:
    """Return whether the second derivatives, with damping added to their diagonal, are positive definite."""
    cdef Py_ssize_t d = a.d, j, k
    cdef double total
    second_derivatives(a, exact)
    for j in range(d):                             # the small numbers are for directions along which nothing changes
        for k in range(j):
            if not (is_free(a, j) and is_free(a, k)):
                a.curvature[j * d + k] = 0
        a.curvature[j * d + j] = a.curvature[j * d + j] * (1 + 1e-10) + 1e-24 + damping if is_free(a, j) else 1
        a.step[j] = 0
    if not isfinite(invert_dense(a.curvature, d)):
        return False
    for j in range(d):
        total = 0
        for k in range(j + 1):
            total -= a.curvature[j * d + k] * a.gradient[k] if is_free(a, k) else 0
        for k in range(j + 1):
            a.step[k] += a.curvature[j * d + k] * total
    return True


cdef inline double next_step(Analysis* a, bint exact, double damping) noexcept nogil:
    """Choose the step; return what it promises."""
    cdef Py_ssize_t d = a.d, j
    cdef double promise = 0, slope = 0, longest = LONGEST_STEP, cut
    if not (exact and solve_step(a, True, damping)) and not solve_step(a, False, damping):
        return 0
    for j in range(d):
        a.step[j] = a.step[j] if is_free(a, j) else 0
        promise -= a.gradient[j] * a.step[j] / 2
        longest = max(longest, fabs(a.step[j]))
        slope += a.gradient[j] * min(max(a.step[j], -LONGEST_STEP), LONGEST_STEP)
    # Cut the longest alone: one ψ on its way to its least value does not hold up the others.
    for j in range(d):
        cut = min(max(a.step[j], -LONGEST_STEP), LONGEST_STEP)
        a.step[j] = cut if slope < 0 else a.step[j] * LONGEST_STEP / longest
    return promise


cdef inline double go(Analysis* a, double factor) noexcept nogil:
    """Move by a share of the step, to least values where it leads below them; return the change that slopes promise."""
    cdef Py_ssize_t j
    cdef double promise = 0
    for j in range(a.d):
        a.logs[j] = max(a.before[j] + factor * a.step[j], a.lowest[j])
        promise += a.slopes[j] * (a.logs[j] - a.before[j])
    return promise


cdef inline bint is_near(const double* logs, const double* others, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        if not fabs(logs[j] - others[j]) < 0.05:
            return False
    return True


cdef inline double descend(
    Analysis* a,
    double enough,                                 # IN an objective that is low enough, or −∞
    const double* other,                           # IN (d,) log ψ at another minimum, which ends the way to it, or NULL
) noexcept nogil:
    """Lower the objective from `logs` to a minimum; return it."""
    cdef Py_ssize_t d = a.d, halving, _
    cdef double objective = evaluate(a), tried = INFINITY, promise, rounding, gain, last = INFINITY, damping = 0
    for _ in range(MOST_STEPS):
        if objective <= enough or (other != NULL and is_near(a.logs, other, d)):
            break
        gain = next_step(a, enough == -INFINITY, damping) if objective < INFINITY else 0
        if not gain > 1e-20 or (gain < 1e-16 and gain >= last):
            break
        last = gain
        memcpy(a.before, a.logs, d * sizeof(double))
        memcpy(a.slopes, a.gradient, d * sizeof(double))
        rounding = 16 * DBL_EPSILON * (d + fabs(objective))
        for halving in range(MOST_HALVINGS):
            promise = go(a, 0.5 ** halving)
            tried = evaluate(a)
            if tried <= objective + 1e-4 * promise + rounding:
                break
        else:
            memcpy(a.logs, a.before, d * sizeof(double))
            tried = evaluate(a)
            if not gain > 1e-6:
                return tried
        # A step that gains little of its promise is too long for its curvature, along directions that hardly have any.
        damping = max(10 * damping, 0.01) if gain > 1e-6 and objective - tried < gain / 100 else damping / 10
        objective = tried
    return objective


# ------------------------------------------------------------------------------------------ where it starts

cdef inline double set_target(
    Analysis* a, const double* covariance,         # IN (d, d) C
) noexcept nogil:
    """Take in C and C⁻¹; return log|C|, infinite where C is not positive definite.

    Where it is not, to its rounding, searches start from the inverse, of larger variances.
    """
    cdef Py_ssize_t d = a.d, r, _
    cdef double total, more = 0
    cdef double* factor = a.summand
    for _ in range(MOST_RAISES):
        memcpy(factor, covariance, d * d * sizeof(double))
        for r in range(d):
            factor[r * d + r] += more * factor[r * d + r]
        total = -2 * invert_dense(factor, d)
        if isfinite(total):
            break
        more = max(1e4 * more, 1e-12)
    else:
        return INFINITY
    a.covariance, a.definite = covariance, more == 0
    for r in range(d):
        a.weights[r] = 1
    from_axes(factor, a.weights, d, d, a.precision, a.workspace)
    mirror(a.precision, d)
    return total if a.definite else INFINITY


cdef inline void set_least(
    Analysis* a, double least, const double* covariance,           # IN (d, d)
) noexcept nogil:
    """Let no ψ be below a variance, nor below a share of its feature's."""
    cdef Py_ssize_t d = a.d, j
    for j in range(d):
        a.lowest[j] = log(max(least, 1e-8 * covariance[j * d + j]))


cdef inline void first_noise(Analysis* a) noexcept nogil:
    """Start with the best multiple of the variances given all other features (Jöreskog 1967, up to the factor)."""
    cdef Py_ssize_t d = a.d, j
    cdef double factor = 0
    for j in range(d):
        a.logs[j] = -log(a.precision[j * d + j])
    evaluate(a)
    for j in range(a.q, d):
        factor += a.variances[j] / (d - a.q)
    for j in range(d):
        a.logs[j] = max(a.logs[j] + log(factor), a.lowest[j])


cdef inline void other_noise(Analysis* a, unsigned int* state) noexcept nogil:
    """Start with other shares, as far down as a thousandth."""
    cdef Py_ssize_t d = a.d, j
    for j in range(d):
        state[0] = 1664525u * state[0] + 1013904223u               # Numerical Recipes' generator
        a.logs[j] = max(-7 * (state[0] / 4294967296.) ** 2 - log(a.precision[j * d + j]), a.lowest[j])


cdef inline double rounding_of(const Analysis* a) noexcept nogil:
    """Bound that of the objective where a ψ is tiny relative to its feature's variance."""
    return 8 * DBL_EPSILON * a.d * a.variances[0]


cdef inline double take_apart(
    Analysis* a, const double* covariance,         # IN (d, d) of the model
) noexcept nogil:
    """Find its Ψ: the minimum is known, so start anew until it is there.

    Return by how much it is missed, at most 0 where it is there; infinite where the matrix is not definite.
    """
    cdef Py_ssize_t d = a.d, attempt
    cdef double enough = set_target(a, covariance), best = INFINITY, found
    cdef unsigned int state = 1
    if not enough < INFINITY:
        return INFINITY
    enough += d
    enough += 1e-10 * (d + fabs(enough))
    for attempt in range(MOST_STARTS):
        if attempt == 0:
            first_noise(a)
        else:
            other_noise(a, &state)
        found = descend(a, enough, NULL)
        if found < best:
            best = found
            memcpy(a.other, a.logs, d * sizeof(double))
            if best <= enough + rounding_of(a):
                break
    memcpy(a.logs, a.other, d * sizeof(double))
    found = evaluate(a)
    return found - enough - rounding_of(a)


cdef inline double objective_of(
    Analysis* a, const double* covariance, const double* free,     # IN (d, d) Σ and C
) noexcept nogil:
    """Return log|Σ| + tr Σ⁻¹C, infinite where Σ is not positive definite; `precision` is scratch."""
    cdef Py_ssize_t i
    cdef double total = set_target(a, covariance)
    for i in range(a.d * a.d if total < INFINITY else 0):
        total += a.precision[i] * free[i]
    return total


cdef inline bint analyse(
    Analysis* a, double least, const double* previous, const double* covariance,   # IN (d, d); `previous` may be NULL
) noexcept nogil:
    """Find Ψ and the axes; return whether there is a solution: without a least variance, of a definite matrix alone.

    It is of the maximum that a climb from `previous` reaches unless another one is higher.
    """
    cdef Py_ssize_t d = a.d, j
    cdef double before = INFINITY, found
    cdef bint goes_on = False
    if previous != NULL:
        set_least(a, least, previous)              # which its noise may be at, below that of C
        goes_on = take_apart(a, previous) < INFINITY
    set_least(a, least, covariance)
    a.covariance = NULL
    if not set_target(a, covariance) < INFINITY and (least == 0 or a.covariance == NULL):
        return False
    if goes_on:
        for j in range(d):
            a.logs[j] = max(a.logs[j], a.lowest[j])
        before = descend(a, -INFINITY, NULL)
        memcpy(a.other, a.logs, d * sizeof(double))
    first_noise(a)
    found = descend(a, -INFINITY, a.other if goes_on else NULL)
    if before < INFINITY and not found < before - 1e-8 * (d + fabs(before)):
        memcpy(a.logs, a.other, d * sizeof(double))
        found = evaluate(a)
    return found < INFINITY


cdef inline double* assembled(
    Analysis* a, const double* covariance,         # IN C
) noexcept nogil:
    """Return Ψ^½ (I + Uᵀ (U Ψ^-½ C Ψ^-½ Uᵀ − I) U) Ψ^½, which lies in `curvature`.

    The rows of U are the first axes; C has their variances to the last digit, however small the noise is.
    """
    cdef Py_ssize_t d = a.d, n = a.n_top, i, j, k
    cdef double* along = a.precision               # (n, d) U Ψ^-½ C Ψ^-½
    cdef double* block = a.curvature               # (n, n)
    cdef double* mixed = a.summand                 # (n, d)
    cdef double total
    for i in range(n):
        memset(along + i * d, 0, d * sizeof(double))
        for k in range(d):
            total = a.axes[i * d + k] / a.roots[k]
            for j in range(d):
                along[i * d + j] += total * covariance[k * d + j] / a.roots[j]
    for i in range(n):
        for j in range(n):
            block[i * n + j] = -1 if i == j else 0
            for k in range(d):
                block[i * n + j] += along[i * d + k] * a.axes[j * d + k]
    for i in range(n):
        memset(mixed + i * d, 0, d * sizeof(double))
        for k in range(n):
            for j in range(d):
                mixed[i * d + j] += block[k * n + i] * a.axes[k * d + j]
    for i in range(d):
        for j in range(i + 1):
            total = 1 if i == j else 0
            for k in range(n):
                total += a.axes[k * d + i] * mixed[k * d + j]
            a.curvature[i * d + j] = a.curvature[j * d + i] = a.roots[i] * total * a.roots[j]
    return a.curvature


# ----------------------------------------------------- what the table of constraints names

cdef inline bint solve_factor(
    bint isotropic, Py_ssize_t d, Py_ssize_t q, double least, double count, const NoisePrior* prior,
    const double* previous,
    double* covariance,                            # IN free, OUT Λ Λᵀ + Ψ with ψ_j ≥ least
    double* workspace,
) noexcept nogil:
    cdef Analysis a = analysis_in(workspace, d, q)
    cdef const double* best
    cdef double before = INFINITY if previous == NULL else objective_of(&a, previous, covariance)
    if not analyse(&a, least, previous, covariance):
        return False
    best = assembled(&a, covariance)
    # A search that lost its way, in rounding or in a covariance that it could not take apart, lowers nothing.
    if objective_of(&a, best, covariance) > before + 64 * DBL_EPSILON * (d + fabs(before)):
        best = previous
    memcpy(covariance, best, d * d * sizeof(double))
    return True


cdef inline bint solve_ppca(
    bint isotropic, Py_ssize_t d, Py_ssize_t q, double least, double count, const NoisePrior* prior,
    const double* previous,
    double* covariance,                            # IN free, OUT Λ Λᵀ + σ² I with σ² ≥ least
    double* workspace,
) noexcept nogil:
    cdef Analysis a = analysis_in(workspace, d, q)
    cdef Py_ssize_t j
    cdef double noise = 0
    memcpy(a.axes, covariance, d * d * sizeof(double))
    if not principal_axes(a.axes, d, a.variances, a.workspace):
        return False
    for j in range(d - q):
        noise += a.variances[j] / (d - q)
    if not noise > DBL_EPSILON * a.variances[d - 1]:
        return False
    noise = max(noise, least)
    for j in range(d - q, d):
        a.variances[j] = max(a.variances[j] - noise, 0)
    from_axes(a.axes + (d - q) * d, a.variances + d - q, q, d, covariance, a.workspace)
    for j in range(d):
        covariance[j * d + j] += noise
    mirror(covariance, d)
    return True
