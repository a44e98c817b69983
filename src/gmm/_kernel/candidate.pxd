"""Candidates for a start: how they start from clusters in a view of the rows, what they split and what they drop.

A view has the coordinates y = V (x − centre) of a metric V, in which the variance of the rows is about 1.
"""
from libc.float cimport DBL_EPSILON, DBL_MIN
from libc.math cimport INFINITY, log, log1p, sqrt
from libc.string cimport memcpy, memset

from gmm._kernel.axes cimport axes_workspace_size, in_axes, multiply_rows, principal_axes
from gmm._kernel.cholesky cimport invert_dense
from gmm._kernel.estimate cimport Estimate
from gmm._kernel.layout cimport (
    DIAGONAL,
    FULL,
    SPHERICAL,
    Layout,
    axis_stride,
    component_stride,
    diagonal_stride,
    is_dense,
    is_pooled,
    matrix_size,
    n_matrices,
    total_size,
)
from gmm._kernel.moments cimport Moments, halve
from gmm._kernel.plan cimport N_POWERS
from gmm._kernel.whitener cimport half_trace_of_product


cdef struct ViewMetric:
    Layout layout               # spherical, diagonal or tied
    const double* whitener      # V, as its layout stores it
    const double* centre        # (d,) in the coordinates of x


# ------------------------------------------------------------------------------------------- k-means

cdef inline double largest_reach(const double* reach, Py_ssize_t d) noexcept nogil:
    """Return the largest of d numbers, or 1 if none is positive."""
    cdef Py_ssize_t j
    cdef double most = 0
    for j in range(d):
        most = max(most, reach[j])
    return most if most > 0 else 1


cdef inline void fill_whiteners(Layout layout, Py_ssize_t K, Py_ssize_t d, double scale, double* out) noexcept nogil:
    """Write `scale` for every component of an axis-aligned layout."""
    cdef Py_ssize_t i
    for i in range(total_size(layout, K, d)):
        out[i] = scale


# ---------------------------------------------------------------------------------- from y back to x

cdef inline double log_volume(const ViewMetric* metric, Py_ssize_t d) noexcept nogil:
    """log|V|."""
    cdef Py_ssize_t stride = diagonal_stride(metric.layout, d) if metric.layout != SPHERICAL else 0, j
    cdef double total = 0
    for j in range(d):
        total += log(metric.whitener[j * stride])
    return total


cdef inline void points_to_rows(const ViewMetric* metric, Py_ssize_t n, Py_ssize_t d, double* points) noexcept nogil:
    """Bring points y, (n, d), to the coordinates of x, in place."""
    cdef Py_ssize_t stride = axis_stride(metric.layout), i, j, k
    cdef double* y
    for k in range(n):
        y = points + k * d
        for i in range(d):
            if is_dense(metric.layout):
                for j in range(i):
                    y[i] -= metric.whitener[i * d + j] * y[j]
                y[i] /= metric.whitener[i * d + i]
            else:
                y[i] /= metric.whitener[i * stride]
        for i in range(d):
            y[i] += metric.centre[i]


cdef inline void scaled_metric(
    const ViewMetric* metric, Py_ssize_t K, Py_ssize_t d, double scale,    # IN
    double* out,                                   # OUT V × `scale` for every component
) noexcept nogil:
    cdef Py_ssize_t size = matrix_size(metric.layout, d), i, k
    for k in range(n_matrices(metric.layout, K)):
        for i in range(size):
            out[k * size + i] = scale * metric.whitener[i]


# ----------------------------------------------------------------------------------- more components

cdef inline Py_ssize_t find_axes_workspace_size(Layout layout, Py_ssize_t d) noexcept nogil:
    """Numbers in the workspace of `find_axes`."""
    return axes_workspace_size(d) + d + 3 * d * d if is_dense(layout) else 0


cdef inline Py_ssize_t splits_size(Layout layout, Py_ssize_t K, Py_ssize_t d) noexcept nogil:
    """Numbers in the buffer of splits."""
    return (total_size(layout, K, d) + K * (N_POWERS * d + 1 + d) + matrix_size(layout, d)
            + find_axes_workspace_size(layout, d))


cdef struct Splits:
    # Measurements that decide which components to split.
    double* axes                # whiteners along the principal axes, as the layout stores them
    double* powers              # (K, N_POWERS, d) of the coordinates along them
    double* gains               # (K,) in nats per unit weight
    double* steps               # (K, d) from the mean to that of a half
    double* product             # scratch, one matrix of moments
    double* workspace           # of `find_axes`


cdef inline void lay_out_splits(
    Splits* splits, double* buffer, Layout layout, Py_ssize_t K, Py_ssize_t d,
) noexcept nogil:
    splits.axes = buffer
    splits.powers = splits.axes + total_size(layout, K, d)
    splits.gains = splits.powers + K * N_POWERS * d
    splits.steps = splits.gains + K
    splits.product = splits.steps + K * d
    splits.workspace = splits.product + matrix_size(layout, d)


cdef inline bint find_axes(
    Layout layout, Py_ssize_t K, Py_ssize_t d,
    const double* weights, const double* means, const double* covariances,         # IN of a mixture
    double* axes,                                  # OUT as the layout stores covariances
    double* workspace,                             # scratch: see `find_axes_workspace_size`
) noexcept nogil:
    """Find the principal axes of all covariances, and return whether that converged.

    Dense ones have them where the mean covariance is the identity, so that no coordinates matter; a common one has
    those of the means there. Coordinates along each axis have variance 1.
    """
    cdef Py_ssize_t n = n_matrices(layout, K), size = matrix_size(layout, d), i, j, k
    cdef double* within = workspace
    cdef double* spread = within + d * d
    cdef double* product = spread + d * d
    cdef double* values = product + d * d
    cdef double scale
    if not is_dense(layout):
        for i in range(n * size):
            axes[i] = 1 / sqrt(covariances[i])
        return True
    memset(within, 0, d * d * sizeof(double))
    for k in range(n):
        for i in range(d * d):
            within[i] += (weights[k] if n > 1 else 1) * covariances[k * d * d + i]
    if invert_dense(within, d) == -INFINITY:
        return False
    for k in range(n):
        if n > 1:
            memcpy(spread, covariances + k * d * d, d * d * sizeof(double))
        else:
            scatter_of_means(K, d, weights, means, values, spread)
        in_axes(within, spread, d, axes, product)
        if not principal_axes(axes, d, values, values + d):
            return False
        for i in range(d):
            scale = 1 / sqrt(max(values[i], DBL_EPSILON * values[d - 1])) if n > 1 else 1
            for j in range(d):
                axes[i * d + j] *= scale
        multiply_rows(axes, within, d, spread)
        memcpy(axes, spread, d * d * sizeof(double))
        axes += d * d
    return True


cdef inline void scatter_of_means(
    Py_ssize_t K, Py_ssize_t d, const double* weights, const double* means,
    double* away,                                  # scratch (d,)
    double* scatter,                               # OUT (d, d)
) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef double total = 0
    memset(scatter, 0, d * d * sizeof(double))
    for k in range(K):
        total += weights[k]
    for k in range(K):
        for j in range(d):
            away[j] = means[k * d + j]
            for i in range(K):
                away[j] -= weights[i] / total * means[i * d + j]
        for i in range(d):
            for j in range(d):
                scatter[i * d + j] += weights[k] * away[i] * away[j]


cdef inline double split_gain(const double* powers, Py_ssize_t d, Py_ssize_t axis, double count) noexcept nogil:
    """Estimate what a row gains by a split of its component: by its cumulants, to leading order.

    They mean nothing for a column of one value, which only the ridge makes wide.
    """
    cdef double second = powers[axis] / count, third = powers[d + axis] / count, fourth = powers[2 * d + axis] / count
    cdef double wide = max(second - 1, 0), heavy = fourth - 3 * second * second
    return min(wide * wide / 4 + third * third / 12 + heavy * heavy / 48, 1e300)


cdef inline void step_along_axis(
    Layout layout, Py_ssize_t d, const double* covariance, const double* axes, Py_ssize_t axis, double offset,     # IN
    double* step,                                  # OUT (d,) `offset` standard deviations along an axis of a component
) noexcept nogil:
    cdef const double* row = axes + axis * d
    cdef Py_ssize_t i, j
    memset(step, 0, d * sizeof(double))
    if not is_dense(layout):
        step[axis] = offset / axes[axis * axis_stride(layout)]
        return
    for i in range(d):                             # Σ · row changes the coordinate along the axis by 1
        for j in range(d):
            step[i] += offset * covariance[i * d + j] * row[j]


cdef inline void find_splits(
    Splits* splits, Layout layout, Py_ssize_t K, Py_ssize_t d, const double* covariances, const Moments* moments,
    double offset,
) noexcept nogil:
    """Write the gain and the step of each component, along the axis that gains most."""
    cdef Py_ssize_t k, j, axis, stride = component_stride(layout, d)
    cdef const double* powers
    cdef double count, best, gain
    for k in range(K):
        powers, count, best, axis = splits.powers + k * N_POWERS * d, moments.counts[k], -1, 0
        for j in range(d):
            gain = split_gain(powers, d, j, max(count, DBL_MIN))
            if gain > best:
                best, axis = gain, j
        splits.gains[k] = best * count / moments.weight
        step_along_axis(layout, d, covariances + k * stride, splits.axes + k * stride, axis, offset,
                        splits.steps + k * d)


cdef inline void split_component(
    Splits* splits, Layout layout, Py_ssize_t K, Py_ssize_t d, Py_ssize_t k, Py_ssize_t into,
    Moments* moments,                              # IN with k, OUT with two halves of it, a step before and behind
) noexcept nogil:
    """Split one of what will be K components, with the same mean and spread of both together."""
    cdef const double* a = moments.first + k * d
    cdef const double* b = splits.steps + k * d
    cdef Py_ssize_t i, j
    splits.product[0] = 0
    if is_dense(layout):
        for i in range(d):
            for j in range(d):
                splits.product[i * d + j] = 0.5 * (a[i] * b[j] + b[i] * a[j])
    elif layout == DIAGONAL:
        for i in range(d):
            splits.product[i] = a[i] * b[i]
    else:
        for i in range(d):
            splits.product[0] += a[i] * b[i]
        splits.product[0] /= d
    halve(layout, K, d, k, into, b, splits.product, moments)


# ---------------------------------------------------------------------------------- fewer components

cdef struct Drops:
    # Components that are dropped one after the other, and what each of those left would cost.
    const double* responsibility    # (n, K)
    const double* weight            # (n,) or NULL
    double mass                     # Σ w
    Py_ssize_t n, K
    double* shares                  # (K,) the mixture's weights, 0 for a component that is dropped
    double* totals                  # (n,) responsibilities of those left
    double* losses                  # (K,) of rows, in nats; with every drop they rise
    int* known                      # (K,) whether they have not risen since


cdef inline void drop(Drops* drops, Py_ssize_t component) noexcept nogil:
    """Drop a component; the totals are not differences, which may be of near numbers."""
    cdef Py_ssize_t i, k
    cdef const double* r = drops.responsibility
    drops.shares[component] = 0
    for k in range(drops.K):
        drops.known[k] = False
    for i in range(drops.n):
        if 2 * r[component] > drops.totals[i]:
            drops.totals[i] = others(drops, r, component)
        else:
            drops.totals[i] -= r[component]
        r += drops.K


cdef inline double others(const Drops* drops, const double* r, Py_ssize_t component) noexcept nogil:
    """Return the responsibilities of all components of a row that are left, but for this one."""
    cdef double total = DBL_MIN
    cdef Py_ssize_t k
    for k in range(drops.K):
        total += r[k] if k != component and drops.shares[k] > 0 else 0
    return total


cdef inline double loss_of_rows(const Drops* drops, Py_ssize_t component) noexcept nogil:
    """Return −Σ w log(1 − r_k) of those left; logarithms of rows of weight 1 are taken of products of a few hundred."""
    cdef double loss = 0, product = 1, left
    cdef const double* r = drops.responsibility
    cdef Py_ssize_t i
    for i in range(drops.n):
        left = drops.totals[i] - r[component]
        if 2 * r[component] > drops.totals[i]:
            left = others(drops, r, component)
        left = max(left / drops.totals[i], 1e-300)
        if (drops.weight == NULL or drops.weight[i] == 1) and left > 1e-30:
            product *= left
        else:
            loss -= log(left) * (1 if drops.weight == NULL else drops.weight[i])
        if product < 1e-270:
            loss -= log(product)
            product = 1
        r += drops.K
    return loss - log(product)


cdef inline Py_ssize_t cheapest(Drops* drops) noexcept nogil:
    """Return which component costs least to drop, Σ w [log(1 − π_k) − log(1 − r_k)]: of equals the first.

    A loss before a drop is a lower bound of that after it, so few losses are computed anew.
    """
    cdef double total = 0, cost, least
    cdef Py_ssize_t best = -1, k
    for k in range(drops.K):
        total += drops.shares[k]
    while True:
        least = INFINITY
        for k in range(drops.K):
            cost = drops.losses[k] + drops.mass * log1p(-min(drops.shares[k] / total, 1 - 1e-16))
            if drops.shares[k] > 0 and (best < 0 or cost < least):
                best, least = k, cost
        if best < 0 or drops.known[best]:
            return max(best, 0)                    # 0: none has a share
        drops.losses[best], drops.known[best], best = loss_of_rows(drops, best), True, -1


cdef inline void select_components(
    Layout layout, Py_ssize_t d, const Estimate* mixture,
    const double* shares, Py_ssize_t K,            # IN (K,) 0 for components that are left out
    Estimate* out,
) noexcept nogil:
    """Copy the components with a share, but for their log offsets' common constant."""
    cdef Py_ssize_t size = matrix_size(layout, d), stride = component_stride(layout, d), one = 1 if stride else 0
    cdef Py_ssize_t k, n = 0
    for k in range(K):
        if shares[k] > 0:
            out.weights[n], out.log_offset[n] = mixture.weights[k], mixture.log_offset[k]
            out.log_determinants[n * one] = mixture.log_determinants[k * one]
            memcpy(out.means + n * d, mixture.means + k * d, d * sizeof(double))
            memcpy(out.covariances + n * stride, mixture.covariances + k * stride, size * sizeof(double))
            memcpy(out.whiteners + n * stride, mixture.whiteners + k * stride, size * sizeof(double))
            n += 1
