"""The slow, obvious twin: a Gaussian mixture written down as the text book has it.

Equation numbers are those of C. M. Bishop, *Pattern Recognition and Machine Learning* (2006).
Matrices are always written out, one (d, d) per component; `dense` and `in_layout` go between that
and the four shapes that covariance types have. Everything is computed in the type of its input: rows
given as long doubles make the twin a judge.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, eigh, sqrtm
from scipy.optimize import brentq, linprog, minimize, minimize_scalar
from scipy.special import betaln, digamma, gammaln, logsumexp, multigammaln, xlogy
from scipy.stats import multivariate_t
from scipy.stats import t as student_t

# --- Matrices, in any floating type -------------------------------------------------------------


def cholesky(matrix):
    """L, lower triangular, with L Lᵀ the matrix."""
    d = len(matrix)
    L = np.zeros_like(matrix)
    for i in range(d):
        for j in range(i + 1):
            rest = matrix[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    return L


def forward_substituted(L, rows):
    """The rows L⁻¹ x, for every row x."""
    y = np.zeros_like(rows)
    for j in range(len(L)):
        y[:, j] = (rows[:, j] - y[:, :j] @ L[j, :j]) / L[j, j]
    return y


def shape_of(covariance_type):
    """Which of four shapes its covariances have: that of "full", "tied", "diag" or "spherical"."""
    if covariance_type in ("full", "tied", "diag", "spherical"):
        return covariance_type
    if covariance_type[0].islower():  # factors and their number
        return "full"
    _, shape, orientation = covariance_type  # the letters of Celeux & Govaert's models
    if orientation == "I":
        return "spherical" if shape == "I" else "diag"
    return "tied" if covariance_type == "EEE" else "full"


def dense(values, covariance_type, K, d):
    """Covariances, precisions or whiteners in the shape of their type, written out: (K, d, d)."""
    values, shape = np.asarray(values), shape_of(covariance_type)
    identity = np.eye(d, dtype=values.dtype)
    if shape == "full":
        return values
    if shape == "tied":
        return np.stack([values] * K)
    if shape == "diag":
        return np.stack([np.diag(values[k]) for k in range(K)])
    return np.stack([values[k] * identity for k in range(K)])


def in_layout(second, covariance_type):
    """Second moments (K, d, d) as the type keeps them: all, their sum, diagonals or those' means."""
    shape = shape_of(covariance_type)
    if shape == "full":
        return second
    if shape == "tied":
        return second.sum(axis=0)
    diagonals = np.stack([np.diag(matrix) for matrix in second])
    return diagonals if shape == "diag" else diagonals.mean(axis=1)


# --- Some columns of a mixture -------------------------------------------------------------------


def conditional(weights, means, covariances, known, others, values):
    """Weights, means and covariances of the other columns given x_b, by precisions (2.73, 2.75)."""
    conditional_means, conditional_covariances = [], []
    for mean, covariance in zip(means, covariances, strict=True):
        precision = np.linalg.inv(covariance)
        own, across = precision[np.ix_(others, others)], precision[np.ix_(others, known)]
        conditional_means.append(mean[others] - np.linalg.solve(own, across @ (values - mean[known])))
        conditional_covariances.append(np.linalg.inv(own))
    joint = log_joint(values[None], weights, means[:, known], covariances[:, known][:, :, known])
    return responsibilities(joint)[0], np.array(conditional_means), np.array(conditional_covariances)


def prediction_below(y, values, n, q, weights, means, covariances, known, pooled):
    """P(Y < y) of a new row beside those of a fit, by least squares of each component's n_k rows with q coefficients.

    The residual variance of n_k π rows has n_k − q degrees of freedom, and the line a variance of its own; if pooled,
    those of all rows and K q coefficients. `y` is one of the other columns, its number given first.
    """
    (column, at), below = y, 0.0
    columns, q_known = [*known, column], len(known)
    parts = means[:, columns], covariances[:, columns][:, :, columns]
    shares, centres, rest = conditional(weights, *parts, list(range(q_known)), [q_known], values)
    for k, share in enumerate(shares):
        total, degrees = (n, n - len(weights) * q) if pooled else (n * weights[k], n * weights[k] - q)
        step = values - means[k, known]
        leverage = step @ np.linalg.solve(covariances[k][np.ix_(known, known)], step) / total if q > 1 else 0.0
        variance = rest[k, 0, 0] * total / degrees * (1 + 1 / (n * weights[k]) + leverage)
        below += share * student_t.cdf((at - centres[k, 0]) / np.sqrt(variance), degrees)
    return below


def conditional_by_quadrature(log_density, known, level):
    """Mean, variance and a quantile of the last column of any density, given the others (1, d − 1)."""
    y = np.sinh(np.linspace(-14, 14, 100_001))  # tails to 6e5
    at = np.concatenate([np.repeat(known, len(y), axis=0), y[:, None]], axis=1)
    density = np.exp(log_density(at))
    parts = 0.5 * (density[1:] + density[:-1]) * np.diff(y)
    middle, share = 0.5 * (y[1:] + y[:-1]), parts / parts.sum()
    mean = share @ middle
    return mean, share @ (middle - mean) ** 2, np.interp(level, np.cumsum(share), y[1:])


# --- E-step -------------------------------------------------------------------------------------


def log_gaussian(X, mean, covariance):
    """ln N(x | μ, Σ) = −½ (x − μ)ᵀ Σ⁻¹ (x − μ) − ½ ln |Σ| − d/2 ln 2π, of every row (2.43)."""
    L = cholesky(covariance)
    y = forward_substituted(L, X - mean)
    half_log_determinant = np.log(np.diag(L)).sum()
    pi = 4 * np.arctan(np.ones((), dtype=X.dtype))  # in the type of the rows
    return -(y**2).sum(axis=1) / 2 - half_log_determinant - len(mean) * np.log(2 * pi) / 2


def log_joint(X, weights, means, covariances):
    """ln π_k N(x_i | μ_k, Σ_k), the logarithms of the summands of (9.14): (n, K)."""
    parts = zip(weights, means, covariances, strict=True)
    return np.stack([np.log(weight) + log_gaussian(X, mean, S) for weight, mean, S in parts], axis=1)


def whitened_log_joint(X, log_offset, centres, whiteners):
    """log_offset_k − ½‖W_k (x_i − c_k)‖², what a pass reads of any mixture: (n, K)."""
    parts = zip(log_offset, centres, whiteners, strict=True)
    return np.stack([offset - (((X - c) @ W.T) ** 2).sum(axis=1) / 2 for offset, c, W in parts], axis=1)


def log_evidence(log_joint):
    """ln Σ_k ρ_ik, the logarithm of (9.7) with the largest summand taken out: (n,)."""
    largest = log_joint.max(axis=1, keepdims=True)
    return largest[:, 0] + np.log(np.exp(log_joint - largest).sum(axis=1))


def responsibilities(log_joint):
    """γ(z_ik) = ρ_ik / Σ_j ρ_ij (9.23): (n, K)."""
    return np.exp(log_joint - log_evidence(log_joint)[:, None])


def beside_noise(log_joint, log_noise):
    """The same with uniform noise as a last column: (n, K + 1)."""
    return np.column_stack([log_joint, np.full(len(log_joint), log_noise, log_joint.dtype)])


def within_classes(log_joint, labels, owners):
    """The same where rows of a class belong to its components alone: ρ_ik = 0 for those of others, and of none."""
    forbidden = (labels[:, None] >= 0) & (labels[:, None] != np.asarray(owners))
    return np.where(forbidden, -np.inf, log_joint)


def hard_responsibilities(log_joint):
    """1 for the first of the largest, 0 for the others (section 9.3.2's limit): (n, K)."""
    return np.eye(log_joint.shape[1], dtype=log_joint.dtype)[np.argmax(log_joint, axis=1)]


def statistics(X, responsibilities, weight, origins):
    """N_k (9.27), Σ_i γ_ik (x_i − o_k) and Σ_i γ_ik (x_i − o_k)(x_i − o_k)ᵀ, rows being weighed."""
    counts, first, second = [], [], []
    for k, origin in enumerate(origins):
        mass = weight * responsibilities[:, k]
        z = X - origin
        counts.append(mass.sum())
        first.append(mass @ z)
        second.append((z * mass[:, None]).T @ z)
    return np.array(counts), np.array(first), np.array(second)


def check_statistics(got, X, responsibilities, weight, covariance_type, rounding):
    """Hold the moments of a pass to those of the responsibilities, within a rounding of each row."""
    counts, first, second = statistics(X.astype(np.longdouble), responsibilities, weight, got.origins)
    twins = counts, first, in_layout(second, covariance_type)
    for ours, twin in zip((got.counts, got.first, got.second), twins, strict=True):
        np.testing.assert_allclose(ours, twin.astype(float), rtol=0, atol=rounding * weight.sum())


def log_rest(log_joint):
    """ln(1 − γ_ik), from what the row's evidence is without component k: (n, K)."""
    whole = log_evidence(log_joint)
    K = log_joint.shape[1]
    without = [log_evidence(np.delete(log_joint, k, axis=1)) for k in range(K)]
    return np.stack(without, axis=1) - whole[:, None]


def power_sums(X, responsibilities, weight, centres, axes):
    """Σ_i γ_ik y^p for p = 2, 3, 4, with y = A_k (x_i − c_k), rows being weighed: (3, K, d)."""
    parts = [(weight * r, (X - c) @ A.T) for r, c, A in zip(responsibilities.T, centres, axes, strict=True)]
    return np.array([[mass @ y**p for mass, y in parts] for p in (2, 3, 4)])


# --- Missing values -----------------------------------------------------------------------------


def log_joint_given(X, weights, means, covariances):
    """ln π_k N(x_o | μ_o, Σ_oo) of the columns o that a row has; NaN stands for a missing value: (n, K)."""
    joint, there = np.empty((len(X), len(weights))), ~np.isnan(X)
    for pattern in np.unique(there, axis=0):
        rows, o = (there == pattern).all(axis=1), np.flatnonzero(pattern)
        joint[rows] = log_joint(X[np.ix_(rows, o)], weights, means[:, o], covariances[:, o[:, None], o])
    return joint


def statistics_given(X, responsibilities, weight, parameters, origins):
    """The same as `statistics`, in expectation (Ghahramani & Jordan 1994, section 3.2): rows without errors."""
    errors = np.zeros((len(X), *parameters[2].shape[1:]))
    return statistics_blurred(X, errors, responsibilities, weight, parameters, origins)


# --- Known errors: Bovy, Hogg & Roweis (2011) -----------------------------------------------------


def true_values(row, error, means, covariances):
    """b_ij and B_ij of each component (22), with R_i the columns that the row has: (K, d) and (K, d, d)."""
    o = np.flatnonzero(~np.isnan(row))
    b, B = np.empty_like(means), np.empty_like(covariances)
    for k, (m, V) in enumerate(zip(means, covariances, strict=True)):
        gain = V[:, o] @ np.linalg.inv(V[np.ix_(o, o)] + error[np.ix_(o, o)])
        b[k], B[k] = m + gain @ (row[o] - m[o]), V - gain @ V[o]
    return b, B


def log_joint_blurred(X, errors, weights, means, covariances):
    """ln π_k N(x_o | m_o, T_oo), T = V + S (14): (n, K)."""
    each = zip(X[:, None], errors, strict=True)
    return np.concatenate([log_joint_given(row, weights, means, covariances + error) for row, error in each])


def statistics_blurred(X, errors, responsibilities, weight, parameters, origins):
    """The same as `statistics`, in expectation of the true values (23)."""
    K, d = parameters[1].shape
    counts, first, second = np.zeros(K), np.zeros((K, d)), np.zeros((K, d, d))
    for row, error, r, w in zip(X, errors, responsibilities, weight, strict=True):
        b, B = true_values(row, error, *parameters[1:])
        z = b - origins
        counts += w * r
        first += w * r[:, None] * z
        second += w * r[:, None, None] * (z[:, :, None] * z[:, None] + B)
    return counts, first, second


# --- M-step -------------------------------------------------------------------------------------


def m_step(X, responsibilities, weight, covariance_type, reg_covar=0.0, previous=None, fixed=None, max_ratio=np.inf):
    """Weights (9.26), means (9.24) and covariances (9.25), the latter written out.

    `fixed` has three masks, (3, K), of those that stay as in `previous`; covariances are about fixed means.

    The restricted types maximise the same expected log-likelihood (Celeux & Govaert 1995): tied is
    the mean of the Σ_k weighed by N_k, diag their diagonals, spherical the mean of each diagonal; the
    others are functions of these.
    """
    K, d = responsibilities.shape[1], X.shape[1]
    zero = np.zeros((K, d), dtype=X.dtype)
    counts, first, _ = statistics(X, responsibilities, weight, zero)
    means = first / counts[:, None]
    if fixed is not None:
        means = np.where(fixed[1][:, None], previous[1], means)
    _, _, scatter = statistics(X, responsibilities, weight, means)
    weights, covariances = counts / weight.sum(), covariances_of(scatter, counts, covariance_type, reg_covar, max_ratio)
    if fixed is not None:
        left = 1 - previous[0][fixed[0]].sum()
        weights = np.where(fixed[0], previous[0], left * counts / max(counts[~fixed[0]].sum(), 1e-300))
        covariances = np.where(fixed[2][:, None, None], previous[2], covariances)
    return weights, means, covariances


def covariances_of(scatter, counts, covariance_type, reg_covar=0.0, max_ratio=np.inf):
    """The covariances of second moments about means (K, d, d), written out."""
    K, d = scatter.shape[:2]
    mass = counts.sum() if shape_of(covariance_type) == "tied" else counts
    free = dense((in_layout(scatter, covariance_type).T / mass).T, covariance_type, K, d)
    free = free + reg_covar * np.eye(d, dtype=scatter.dtype)
    free = within_ratio(free, counts, max_ratio) if max_ratio < np.inf else free
    return constrained(free, counts, covariance_type)


OF_FACTORS = ("factor1", "ppca1")  # two models beside those of letters
CLOSED_FORMS = ("EII", "VII", "EEI", "EVI", "VVI", "EEE", "EEV", "EVV", "VVV")


def constrained(free, counts, covariance_type):
    """The covariances from those that are free of all but their shape, for the models in closed form.

    Celeux & Govaert (1995): equal volumes are |C_k|^(1/d)'s mean weighed by N_k, equal shapes and volumes the mean of
    the C_k, or of their eigenvalues in descending order where each has axes of its own.
    """
    d, shares = free.shape[1], counts / counts.sum()
    if covariance_type in ("EII", "EEI"):
        return np.stack([np.tensordot(shares, free, 1)] * len(free))
    if covariance_type in ("EVI", "EVV"):
        volumes = np.linalg.det(free) ** (1 / d)
        return free * (shares @ volumes / volumes)[:, None, None]
    if covariance_type == "EEV":
        eigenvalues, axes = np.linalg.eigh(free)
        return np.stack([D @ np.diag(shares @ eigenvalues) @ D.T for D in axes])
    return free


# --- EM -----------------------------------------------------------------------------------------


def mean_log_likelihood(X, parameters, weight=None):
    """ln p(X | π, μ, Σ) (9.28), per unit weight."""
    weight = np.ones(len(X)) if weight is None else weight
    return weight @ log_evidence(log_joint(X, *parameters)) / weight.sum()


def em(X, parameters, covariance_type, n_passes, *, weight=None, reg_covar=0.0, fixed=None, max_ratio=np.inf):
    """The algorithm of section 9.2.2, from given parameters.

    Returns what each pass measured, (n_passes,), and the parameters: the start, then after each.
    """
    weight = np.ones(len(X)) if weight is None else weight
    bounds, path = [], [parameters]
    for _ in range(n_passes):
        joint = log_joint(X, *path[-1])
        bounds.append(weight @ log_evidence(joint) / weight.sum())
        update = m_step(X, responsibilities(joint), weight, covariance_type, reg_covar, path[-1], fixed, max_ratio)
        path.append(update)
    return np.array(bounds), path


def adapted(X, parameters, weight, relevance):
    """Reynolds, Quatieri & Dunn (2000), (7)-(13), for covariances without constraint; moments are written out."""
    r = responsibilities(log_joint(X, *parameters))
    weights, means, covariances = (np.empty_like(part) for part in parameters)
    for k, (pi, mu, sigma) in enumerate(zip(*parameters, strict=True)):
        n, first, second = (moment[0] for moment in statistics(X, r[:, [k]], weight, np.zeros((1, X.shape[1]))))  # (8)
        alpha = n / (n + relevance)  # (14)
        weights[k] = alpha * n / weight.sum() + (1 - alpha) * pi  # (11)
        means[k] = alpha * first / n + (1 - alpha) * mu  # (9), (12)
        square = alpha * second / n + (1 - alpha) * (sigma + np.outer(mu, mu))  # (10)
        covariances[k] = square - np.outer(means[k], means[k])  # (13)
    return weights / weights.sum(), means, covariances


def fisher_vector(X, parameters, weight):
    """Sanchez, Perronnin, Mensink & Verbeek (2013), (16)-(18), component by component, for the mean over rows."""
    pi, mu, sigma = parameters
    w, by_weight, by_mean, by_deviation = weight / weight.sum(), [], [], []
    for k, gamma in enumerate(responsibilities(log_joint(X, *parameters)).T):
        z = (X - mu[k]) / np.sqrt(np.diag(sigma[k]))
        by_weight.append(w @ (gamma - pi[k]) / np.sqrt(pi[k]))
        by_mean.append(w * gamma @ z / np.sqrt(pi[k]))
        by_deviation.append(w * gamma @ (z**2 - 1) / np.sqrt(2 * pi[k]))
    return np.concatenate([by_weight, *by_mean, *by_deviation])


def rows_of(parameters):
    """Rows, their components and their weights, of 1 in all, whose means and covariances are those of a mixture."""
    weights, means, covariances = parameters
    K, d = means.shape
    rows = [means[k] + sign * np.sqrt(d) * cholesky(covariances[k]).T for k in range(K) for sign in (1, -1)]
    return np.concatenate(rows), np.repeat(np.eye(K), 2 * d, axis=0), np.repeat(weights / (2 * d), 2 * d)


def stepwise_em(blocks, parameters, covariance_type, past, *, decay=0.0, reg_covar=0.0, fixed=None):
    """Stepwise EM (Cappé & Moulines 2009) over (rows, weight) pairs, in a twin that forgets no row.

    Each row keeps the responsibilities that it had when it came; what changes is its weight. The start is rows as well,
    and counts as a weight of `past`. Returns the mixture after each block.
    """
    weights, means, covariances = parameters  # an update adds the ridge
    rows, responsible, shares = rows_of((weights, means, covariances - reg_covar * np.eye(means.shape[1])))
    path = []
    for X, weight in blocks:
        w = weight.sum()
        past = min(past, 3 / decay) if decay else past
        kept = (past / (past + w)) ** 3
        past += w
        rows = np.concatenate([rows, X])
        responsible = np.concatenate([responsible, responsibilities(log_joint(X, *parameters))])
        shares = np.concatenate([kept * shares, (1 - kept) * weight / w])
        parameters = m_step(rows, responsible, shares, covariance_type, reg_covar, parameters, fixed)
        path.append(parameters)
    return path


# --- The accelerated climb ------------------------------------------------------------------------
#
# L-BFGS on the statistics (N_k, Σ γ x, Σ γ x xᵀ) per unit weight, with EM as its preconditioner (Jamshidian & Jennrich
# 1997; Lange 1995). A state is one array (K, 1 + d + d²): sums about zero, second moments whole, for every type, with
# those of the rows that a conjugate prior is worth; these are no part of N_k.


@dataclass(frozen=True)
class Belief:
    """A conjugate prior as rows for each component, per unit weight; without a word, none."""

    mean: np.ndarray | float = 0.0
    scale: np.ndarray | float = 0.0
    for_a_mean: float = 0.0
    for_a_covariance: float = 0.0
    log_density: Callable = lambda weights, means, covariances: 0.0


@dataclass(frozen=True)
class WholeCovariances:
    """What the climb must know of the covariances of a type."""

    covariance_type: str
    reg_covar: float = 0.0
    belief: Belief = Belief()

    def measured(self, X, parameters, weight):
        """The objective, rows seen through N(0, reg_covar I), and the state that a pass finds."""
        joint = log_joint(X, *parameters)
        joint = joint - self.reg_covar * np.array([np.trace(np.linalg.inv(S)) for S in parameters[2]]) / 2
        d, belief = X.shape[1], self.belief
        counts, first, second = statistics(X, responsibilities(joint), weight, np.zeros_like(parameters[1]))
        mean = belief.mean + np.zeros(d)
        first = first / weight.sum() + belief.for_a_mean * mean
        second = second / weight.sum() + belief.for_a_mean * np.outer(mean, mean) + belief.scale
        state = np.concatenate([counts[:, None] / weight.sum(), first, second.reshape(len(counts), -1)], axis=1)
        return weight @ log_evidence(joint) / weight.sum() + belief.log_density(*parameters), state

    def state_of(self, parameters):
        """The state whose update the parameters are."""
        rows, belief = [], self.belief
        for p, m, S in zip(*parameters, strict=True):
            second = (p + belief.for_a_covariance) * S - p * self.reg_covar * np.eye(len(m))
            second = second + (p + belief.for_a_mean) * np.outer(m, m)
            rows.append(np.concatenate([[p], (p + belief.for_a_mean) * m, second.ravel()]))
        return np.array(rows)

    def parameters_of(self, state):
        """The M-step, from a state."""
        K, d, belief = len(state), round(np.sqrt(state.shape[1] - 0.75) - 0.5), self.belief
        counts, rows = state[:, 0], state[:, 0] + belief.for_a_mean
        means = state[:, 1 : 1 + d] / rows[:, None]
        scatter = state[:, 1 + d :].reshape(K, d, d) - rows[:, None, None] * np.einsum("ki,kj->kij", means, means)
        scatter = scatter + self.reg_covar * counts[:, None, None] * np.eye(d)
        return counts, means, covariances_of(scatter, counts + belief.for_a_covariance, self.covariance_type)

    def in_fisher_coordinates(self, change, parameters):
        """A change of state as changes of π, m and Σ where complete data and prior have the information I."""
        d, found, pooled, divisor, belief = parameters[1].shape[1], [], 0, 0, self.belief
        for ds, p, m, S in zip(change, *parameters, strict=True):
            L, rows, divisors = np.linalg.cholesky(S), p + belief.for_a_mean, p + belief.for_a_covariance
            dm = (ds[1 : 1 + d] - ds[0] * m) / rows
            dS = ds[1 + d :].reshape(d, d) - ds[0] * (S + np.outer(m, m)) - rows * (np.outer(dm, m) + np.outer(m, dm))
            dS = np.linalg.solve(L, np.linalg.solve(L, dS).T)
            if self.covariance_type in ("diag", "spherical"):
                dS = np.diag(np.diag(dS))
            if self.covariance_type == "spherical":
                dS = np.eye(d) * np.trace(dS) / d
            pooled, divisor = pooled + dS, divisor + divisors
            found += [ds[:1] / np.sqrt(p), np.sqrt(rows) * np.linalg.solve(L, dm)]
            found += [] if self.covariance_type == "tied" else [dS.ravel() / np.sqrt(2 * divisors)]
        found += [pooled.ravel() / np.sqrt(2 * divisor)] if self.covariance_type == "tied" else []
        return np.concatenate(found)

    def followed(self, frame, parameters):
        """The frame, with the components that have left it in their new place: all if they share a covariance."""
        far = []
        for p, m, S, q, n, R in zip(*parameters, *frame, strict=True):
            apart = np.linalg.solve(S, R + np.outer(m - n, m - n))
            divergence = (np.trace(apart) - len(m) + np.linalg.slogdet(S)[1] - np.linalg.slogdet(R)[1]) / 2
            far.append(divergence > 0.03**2 * len(m) / 2 or abs(p / q - 1) > 0.03)
        far = np.array(far) if self.covariance_type != "tied" else np.full(len(far), any(far))
        return tuple(
            np.where(far.reshape(-1, *[1] * (now.ndim - 1)), now, was)
            for now, was in zip(parameters, frame, strict=True)
        )

    def variances(self, state):
        """Squares of the covariances' Cholesky diagonals, of which none may lose nine tenths."""
        with np.errstate(invalid="ignore"):  # the root of a negative number is not a mixture's
            return np.array([np.diag(cholesky(S)) ** 2 for S in self.parameters_of(state)[2]])


@dataclass(frozen=True)
class FreeFactors:
    """The same of Λ_k Λ_kᵀ + Ψ_k: a state is the sums of (1, x, u, x², x uᵀ, u uᵀ), without what is there twice.

    The factors of the complete data have any mean a and covariance R, which parameters have behind the others. Sums
    are about zero, so that the state is in no frame; its metric is the inverse of the covariance of these numbers.
    """

    n_features: int
    n_factors: int
    ridge: float = 0.0
    isotropic: bool = False

    @property
    def products(self):
        """Pairs of x or u with a factor."""
        d = self.n_features
        return np.array([(i, j) for j in range(d, d + self.n_factors) for i in range(j + 1)])

    @property
    def squares(self):
        """Sums of squares: of each feature or, where noise is the same in all, of all features."""
        d = self.n_features
        return np.ones((1, d)) if self.isotropic else np.eye(d)

    def joint(self, parameters):
        """Means (d + q,) and covariances of (x, u)."""
        for mean, L, psi, a, R in zip(*parameters[1:], strict=True):
            with_u = L @ R
            yield np.append(mean + L @ a, a), np.block([[with_u @ L.T + np.diag(psi), with_u], [with_u.T, R]])

    def numbers(self, count, first, second):
        """The state of one component."""
        squares = self.squares @ np.diag(second)[: self.n_features]
        return np.concatenate([[count], first, squares, second[tuple(self.products.T)]])

    def measured(self, X, parameters, weight):
        """The objective, rows seen through N(0, ridge I), and the state that a pass finds."""
        d, joint, state = self.n_features, list(self.joint(parameters)), []
        means, of_x = np.array([m[:d] for m, _ in joint]), np.array([S[:d, :d] for _, S in joint])
        logs = log_joint(X, parameters[0], means, of_x)
        logs = logs - self.ridge * np.trace(np.linalg.inv(of_x), axis1=1, axis2=2) / 2
        for (mean, S), r in zip(joint, responsibilities(logs).T, strict=True):
            slope, mass = np.linalg.solve(S[:d, :d], S[:d]), weight * r / weight.sum()
            both = mean + (X - mean[:d]) @ slope
            hidden = self.ridge * slope.T @ slope + S - slope.T @ S[:d]
            second = (mass[:, None] * both).T @ both + mass.sum() * hidden
            state.append(self.numbers(mass.sum(), mass @ both, second))
        return weight @ log_evidence(logs) / weight.sum(), np.array(state)

    def state_of(self, parameters):
        """The state whose update the parameters are; at first, of factors N(0, I)."""
        K, _, q = parameters[2].shape
        if len(parameters) == 4:
            parameters = (*parameters, np.zeros((K, q)), np.stack([np.eye(q)] * K))
        each = zip(parameters[0], self.joint(parameters), strict=True)
        return np.array([p * self.numbers(1, m, S + np.outer(m, m)) for p, (m, S) in each])

    def parameters_of(self, state):
        """The regression of x on u, and the moments of u."""
        d, q, parts = self.n_features, self.n_factors, []
        for s in state:
            mean, second = s[1 : 1 + d + q] / s[0], np.zeros((d + q, d + q))
            i, j = self.products.T
            second[i, j] = second[j, i] = s[-len(i) :] / s[0]
            covariance = second - np.outer(mean, mean)
            L = np.linalg.solve(covariance[d:, d:], covariance[d:, :d]).T
            explained = mean[:d] ** 2 + (L * covariance[:d, d:]).sum(axis=1)
            left = s[1 + d + q : -len(i)] / s[0] - self.squares @ explained
            noise = self.squares.T @ left / self.squares.sum(axis=1)[0]
            parts.append((s[0], mean[:d] - L @ mean[d:], L, noise, mean[d:], covariance[d:, d:]))
        return tuple(np.array(part) for part in zip(*parts, strict=True))

    def in_fisher_coordinates(self, change, parameters):
        """A change of state in units in which the complete data have the information I."""
        found, d, q = [], self.n_features, self.n_factors
        i, j = np.vstack([[(j, j) for j in range(d)], self.products]).T
        together = block_diag(np.eye(d + q), self.squares, np.eye(len(self.products)))
        for ds, p, (m, S) in zip(change, parameters[0], self.joint(parameters), strict=True):
            third = S[:, i] * m[j] + S[:, j] * m[i]
            fourth = S[i][:, i] * S[j][:, j] + S[i][:, j] * S[j][:, i]
            for a, b in ((i, j), (j, i)):
                fourth = fourth + m[a][:, None] * (m[a] * S[b][:, b] + m[b] * S[b][:, a])
            covariance = together @ np.block([[S, third], [third.T, fourth]]) @ together.T
            dT = ds - ds[0] * self.numbers(1, m, S + np.outer(m, m))
            found += [ds[:1] / np.sqrt(p), np.linalg.solve(np.linalg.cholesky(covariance), dT[1:]) / np.sqrt(p)]
        return np.concatenate(found)

    def followed(self, frame, parameters):
        """The mixture: the metric is everywhere its own."""
        return parameters

    def variances(self, state):
        """Those of noise, of which none may lose nine tenths; none where that of factors is not positive definite."""
        *_, noise, _, R = self.parameters_of(state)
        return np.where(np.linalg.eigvalsh(R)[:, :1] > 0, noise, np.nan)


def two_loops(f, pairs, inner):
    """The step of L-BFGS from the identity (Nocedal & Wright 2006, algorithm 7.4)."""
    q, along = f, []
    for s, y in reversed(pairs):
        along.append(inner(s, q) / inner(s, y))
        q = q - along[-1] * y
    for (s, y), a in zip(pairs, reversed(along), strict=True):
        q = q + s * (a - inner(y, q) / inner(s, y))
    return q


def climbs_no_thinner(state, em_state, family):
    """Whether a state is a mixture's, and no component has lost nine tenths of what EM leaves it."""
    if (state[:, 0] < np.maximum(0.1 * em_state[:, 0], np.finfo(np.float64).eps)).any():  # without rows, no mean
        return False
    return bool((family.variances(state) >= 0.1 * family.variances(em_state)).all())


def accelerated_em(X, parameters, family, n_passes, *, weight=None, memory=5):
    """Objective of each pass, and whether it was accepted."""
    weight = np.ones(len(X)) if weight is None else weight
    told, pairs, radius, accepted, trial, frame = [], [], 1.5, None, False, parameters
    s = family.state_of(parameters)
    for _ in range(n_passes):
        parameters = family.parameters_of(s)
        objective, after = family.measured(X, parameters, weight)
        rejected = trial and objective < accepted[0] - 1e-13 * (1 + abs(objective))
        told.append((objective, not rejected))
        frame = frame if rejected else family.followed(frame, parameters)

        def inner(a, b, at=frame):
            a, b = (family.in_fisher_coordinates(change, at) for change in (a, b))
            return a @ b

        f = after - s
        if accepted is not None:
            step, change = s - accepted[1], accepted[2] - f
            if inner(step, change) > 1e-8 * inner(step, step):
                pairs = [*pairs, (step, change)][-memory:]
        if rejected:
            radius, s, trial = max(1, radius / 4), accepted[1] + accepted[2], False
            continue
        radius = min(1.5 * radius, 1e6) if trial else radius
        accepted = objective, s, f
        s, trial = after, False
        if len(told) < 2:
            continue
        q = two_loops(f, [(a, y) for a, y in pairs if inner(a, y) > 0], inner)
        length, longest = np.sqrt(inner(q, q)), radius * np.sqrt(inner(f, f))
        factor = radius if not pairs else min(1, longest / length)
        for _ in range(6):
            if climbs_no_thinner(accepted[1] + factor * q, after, family):
                s, trial = accepted[1] + factor * q, True
                break
            factor /= 2
    return told


def check_climb(trace, told):
    """Hold the trace of a climb to what `accelerated_em` told: after a step that is taken back, what stood is kept."""
    kept = np.maximum.accumulate([objective for objective, _ in told])
    np.testing.assert_allclose(trace.objective, kept, rtol=1e-7)
    assert list(trace.accepted) == [accepted for _, accepted in told]


# --- K-means ------------------------------------------------------------------------------------


def kmeans_seeds(X, weight, uniforms, n_seeds, n_draws):
    """Greedy D² sampling (Arthur & Vassilvitskii 2007): the rows that become seeds, by given uniform numbers."""

    def drawn(mass, uniform):
        mass = mass if mass.sum() > 0 else np.ones(len(mass))
        return int(np.searchsorted(np.cumsum(mass), uniform * mass.sum(), side="right"))

    def squared_distances(row):
        return ((X - X[row]) ** 2).sum(axis=1)

    seeds = [drawn(weight, uniforms[0])]
    distances = squared_distances(seeds[0])
    for of_one_seed in np.reshape(uniforms[1:], (n_seeds - 1, n_draws)):
        draws = [drawn(weight * distances, uniform) for uniform in of_one_seed]
        left = [np.minimum(distances, squared_distances(row)) for row in draws]
        best = int(np.argmin([weight @ each for each in left]))
        seeds.append(draws[best])
        distances = left[best]
    return np.array(seeds)


def within_metric(Y, weight, K, block=32):
    """The whitener within clusters of rows Y of variance 1, (d, d): Art, Gnanadesikan & Kettenring (1982), eq. 2.

    Pairs are those within blocks, to which rows are dealt in turn; the limit of near ones is that of 256 pairs.
    """
    (n, d), whitener = Y.shape, np.eye(Y.shape[1])
    n_blocks = -(-min(n, 8 * K * d, max(512, 2 * K * d)) // block)
    used = min(n, n_blocks * block)
    chosen = np.arange(used) * n // used
    y, w = np.zeros((n_blocks, block, d)), np.zeros((n_blocks, block))
    y[np.arange(used) % n_blocks, np.arange(used) // n_blocks] = Y[chosen]
    w[np.arange(used) % n_blocks, np.arange(used) // n_blocks] = weight[chosen]
    for step in range(5):
        some = n_blocks if step >= 3 else min(n_blocks, max(3, n_blocks // 4))
        differences = y[:some, :, None] - y[:some, None]
        squares = np.square(differences @ whitener.T).sum(axis=3)
        pairs = w[:some, :, None] * w[:some, None] * (1 - np.eye(block))
        places = np.arange(0, squares.size, (squares.size // 256) | 1)
        places = places[pairs.ravel()[places] > 0][:256]
        places = places[np.argsort(squares.ravel()[places])]
        reached = np.cumsum(pairs.ravel()[places])
        limit = squares.ravel()[places[np.searchsorted(reached, 0.5 / K * reached[-1], side="right")]]
        scatter = np.einsum("bij,bijd,bije->de", pairs * (squares <= limit), differences, differences) / 2
        whitener = np.linalg.inv(np.linalg.cholesky(scatter + np.trace(scatter) / 1e6 * np.eye(d)))
    return whitener


# --- Constrained covariances (Celeux and Govaert 1995) ------------------------------------------


def clusters(Y, centres, n_passes, weight):
    """The centres of k-means after some passes from others (Lloyd 1982), and Σ w ‖y − c‖² in the last pass."""
    inertia = np.inf
    for _ in range(n_passes):
        squares = np.square(Y[:, None] - centres).sum(axis=2)
        inertia = weight @ squares.min(axis=1)
        _, centres, _ = m_step(Y, hard_responsibilities(-squares), weight, "spherical", 1.0)
    return centres, inertia


def candidate(X, Y, seeds, covariance_type, *, n_lloyd, weight, reg_covar):
    """The first mixture of rows X: of clusters that seeds among the same rows Y in other coordinates lead to."""
    centres, _ = clusters(Y, seeds, n_lloyd, weight)
    nearest = hard_responsibilities(-np.square(Y[:, None] - centres).sum(axis=2))
    return m_step(X, nearest, weight, covariance_type, reg_covar)


def without_components(X, parameters, covariance_type, n_left, n_tries, *, weight, reg_covar):
    """The mixtures of fewer components that the cheapest drops leave; they differ in the last one.

    A drop costs the difference of the log-likelihoods before and after it, with weights that sum to one.
    """
    joint, left = log_joint(X, *parameters), list(range(len(parameters[0])))

    def others(k):
        return [other for other in left if other != k]

    def likelihood(components):
        return weight @ log_evidence(joint[:, components]) - weight.sum() * np.log(parameters[0][components].sum())

    while len(left) > n_left + 1:
        left = others(max(left, key=lambda k: likelihood(others(k))))
    last = sorted(left, key=lambda k: -likelihood(others(k)))[:n_tries]
    return [m_step(X, responsibilities(joint[:, others(k)]), weight, covariance_type, reg_covar) for k in last]


def split_gains(powers, counts):
    """The gains of splits along each axis, (K, d), by second to fourth powers of coordinates along it, (3, K, d)."""
    second, third, fourth = powers / counts[:, None]
    gains = np.maximum(second - 1, 0) ** 2 / 4 + third**2 / 12 + (fourth - 3 * second**2) ** 2 / 48
    return gains * (counts / counts.sum())[:, None]


def within_ratio(free, counts, max_ratio):
    """The covariances with the axes of the free ones, (K, d, d), and their eigenvalues between m and max_ratio · m.

    García-Escudero et al. (2008): with the m that is most likely. That is convex in ln m.
    """
    values, axes = np.linalg.eigh(free)
    if values.max() <= max_ratio * values.min():
        return free

    def least_and_most(log_m):
        return np.clip(values, np.exp(log_m), max_ratio * np.exp(log_m))

    def cost(log_m):
        return counts @ (np.log(least_and_most(log_m)) + values / least_and_most(log_m)).sum(axis=1)

    most = np.log(values.max() / max_ratio)
    best = minimize_scalar(cost, bounds=(most - 40, most), method="bounded", options={"xatol": 1e-12})
    return (axes * least_and_most(best.x)[:, None]) @ axes.transpose(0, 2, 1)


def constraint_objective(covariances, free, counts):
    """−½ Σ_k n_k (ln |Σ_k| + tr Σ_k⁻¹ C_k), with C_k the free covariances (K, d, d)."""
    traces = np.trace(np.linalg.solve(covariances, free), axis1=1, axis2=2)
    return -counts @ (np.linalg.slogdet(covariances)[1] + traces) / 2


def two_of_one_shape(free, counts):
    """The covariances λ_k A of two components, where ln |Σ_k w_k C_k / λ_k| + d Σ_k w_k ln λ_k is least.

    Convex in t = ln λ_1 / λ_2, so its slope has one root, which bisection cannot miss.
    """
    d, (first, second) = free.shape[1], counts / counts.sum()

    def shape(t):
        return first * free[0] * np.exp(-t) + second * free[1]

    def slope(t):
        return d * first - np.trace(np.linalg.solve(shape(t), first * free[0] * np.exp(-t)))

    t = brentq(slope, -100, 100, xtol=1e-13)
    return np.stack([np.exp(t) * shape(t), shape(t)])


def factor_objective(logs, free, n_factors):
    """ln |Σ| + tr Σ⁻¹C at the best loadings beside the noise Ψ, and its gradient in log ψ: Jöreskog (1967)."""
    roots = np.exp(logs / 2)
    values, axes = np.linalg.eigh(free / np.outer(roots, roots))
    of_factors = (np.arange(len(values)) >= len(values) - n_factors) & (values > 1)
    value = logs.sum() + np.where(of_factors, 1 + np.log(np.maximum(values, 1)), values).sum()
    return value, 1 - axes**2 @ np.where(of_factors, 1, values)


def factor_maximum(free, n_factors, least=1e-12, n_starts=5, seed=0):
    """The highest likelihood of Λ Λᵀ + Ψ with ψ_j ≥ least that a general minimiser reaches, as the least objective."""
    rng, d = np.random.default_rng(seed), len(free)
    definite = free + 1e-9 * np.diag(np.diag(free))  # where copied columns and few rows leave it singular
    starts = [np.diag(free) * 0.5, 0.5 / np.diag(np.linalg.inv(definite))]
    starts += [np.diag(free) * rng.uniform(0.05, 0.95, d) for _ in range(n_starts)]
    floor = np.log(np.maximum(least, 1e-8 * np.diag(free)))
    bounds = list(zip(floor, np.maximum(floor, np.log(np.diag(free))), strict=True))
    how = {"method": "L-BFGS-B", "jac": True, "bounds": bounds, "args": (free, n_factors)}
    how["options"] = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    logs = (np.clip(np.log(start), *np.transpose(bounds)) for start in starts)
    return min(minimize(factor_objective, start, **how).fun for start in logs)


def principal_analysis(free, n_factors):
    """W Wᵀ + σ² I: Tipping & Bishop (1999), Probabilistic principal component analysis, (7) and (8), with R = I."""
    eigenvalues, axes = np.linalg.eigh(free)
    noise = eigenvalues[:-n_factors].mean()
    loadings = axes[:, -n_factors:] @ np.diag(np.sqrt(eigenvalues[-n_factors:] - noise))
    return loadings @ loadings.T + noise * np.eye(len(free))


# --- Factors without (d, d) matrices ---------------------------------------------------------------
# McLachlan, Peel & Bean (2003), Modelling high-dimensional data by mixtures of factor analyzers, section 3, with the
# parameters expanded as in Liu, Rubin & Wu (1998), Parameter expansion to accelerate EM: u ~ N(a, R) in place of
# N(0, I). Mixtures of factors are weights, means (K, d), loadings (K, d, q) and noise (K, d).


@dataclass(frozen=True)
class FactorPrior:
    """ln p = Σ_kj −½ rows (ln ψ_kj + variances_j / ψ_kj), and means ~ N(mean, Σ_k / shrinkage), but for a constant."""

    mean: np.ndarray
    shrinkage: float
    rows: float
    variances: np.ndarray


def factor_covariances(loadings, noise):
    """Λ_k Λ_kᵀ + Ψ_k, written out."""
    return np.stack([L @ L.T + np.diag(psi) for L, psi in zip(loadings, noise, strict=True)])


def factor_moments(X, responsibilities, weight, origins, loadings, noise):
    """Σ r x̃² and Σ r y x̃ᵀ, (K, 1 + q, d), with y = AΨ^-½x̃ of the mixture that gave the responsibilities.

    A = L⁻¹C with C = ΛᵀΨ^-½ and I + CCᵀ = LLᵀ.
    """
    of_each = []
    for k, origin in enumerate(origins):
        roots = 1 / np.sqrt(noise[k])
        C = loadings[k].T * roots
        A = forward_substituted(cholesky(np.eye(len(C)) + C @ C.T), C.T).T
        z, mass = X - origin, (weight * responsibilities[:, k])[:, None]
        of_each.append(np.vstack([(mass * z**2).sum(axis=0), (z * roots @ A.T).T @ (mass * z)]))
    return np.array(of_each)


def factor_m_step(X, responsibilities, weight, loadings, noise, *, ridge=0.0, isotropic=False, prior=None):
    """Means that are weighted averages, Λ = Cov(x, u) R⁻¹ R^½, Ψ the residual: the reduced maximum of the expansion."""
    means, better, left = [], [], []
    for k in range(responsibilities.shape[1]):
        mass = weight * responsibilities[:, k]
        n = divisor = mass.sum()
        mean = mass @ X / n
        scatter = (mass[:, None] * (X - mean)).T @ (X - mean)
        if prior is not None and prior.shrinkage > 0:
            shift, divisor = mean - prior.mean, n + 1
            scatter += prior.shrinkage * n / (prior.shrinkage + n) * np.outer(shift, shift)
            mean = (n * mean + prior.shrinkage * prior.mean) / (n + prior.shrinkage)
        C = scatter / divisor + ridge * n / divisor * np.eye(len(mean))
        M = np.eye(loadings.shape[2]) + loadings[k].T @ np.diag(1 / noise[k]) @ loadings[k]
        beta = np.linalg.solve(M, loadings[k].T / noise[k])  # E(u | x) = β (x − μ)
        with_u, R = C @ beta.T, beta @ C @ beta.T + np.linalg.inv(M)
        better.append(with_u @ np.linalg.inv(R) @ cholesky(R))
        residual = np.diag(C - with_u @ np.linalg.inv(R) @ with_u.T)
        if prior is not None:
            residual = (divisor * residual + prior.rows * prior.variances) / (divisor + prior.rows)
        residual = np.full_like(mean, residual.mean()) if isotropic else residual
        left.append(np.maximum(residual, ridge))
        means.append(mean)
    weights = (weight @ responsibilities) / weight.sum()
    return weights, np.array(means), np.array(better), np.array(left)


def log_factor_prior(parameters, prior):
    """The logarithm of the density of a `FactorPrior`, but for a constant."""
    _, means, loadings, noise = parameters
    value = -prior.rows / 2 * (np.log(noise) + prior.variances / noise).sum()
    if prior.shrinkage > 0:
        for mean, covariance in zip(means, factor_covariances(loadings, noise), strict=True):
            value += log_gaussian(mean[None], prior.mean, covariance / prior.shrinkage)[0]
    return value


def turned_in_every_plane(axes, free, weights, power):
    """Axes, as rows, after one turn in the plane of every two of them, in order, by a step that lowers
    Σ_k w_k Π_j a_kj^power, or Σ_k w_k Σ_j log a_kj where that is 0."""
    logs = np.log(np.einsum("ji,kil,jl->kj", axes, free, axes)).sum(axis=1)
    shares = weights * np.exp(power * (logs - logs.max()))
    for i, j in zip(*np.triu_indices(len(axes), 1), strict=True):
        inside = axes[[i, j]] @ free @ axes[[i, j]].T
        apart, mixed = (inside[:, 0, 0] - inside[:, 1, 1]) / 2, inside[:, 0, 1]
        product = inside[:, 0, 0] * inside[:, 1, 1]
        slope, level = apart * mixed / product, (apart**2 - mixed**2) / 2 / product
        share = shares / shares.sum()
        curvature = share @ (level - (1 - power) * slope**2)
        bend = share @ (np.abs(slope) * (1 + 3 * np.abs(level) + 2 * slope**2))
        angle = share @ slope / curvature
        if not (curvature > 0 and bend * abs(angle) < curvature and (abs(level) + slope**2).max() * angle**2 < 1e-2):
            angle = np.arctan2(share @ slope, share @ level)
        shares = shares * (1 + level * (1 - np.cos(angle)) - slope * np.sin(angle)) ** power
        c, s = np.cos(angle / 4), np.sin(angle / 4)
        axes[[i, j]] = np.array([[c, s], [-s, c]]) @ axes[[i, j]]
    return axes


def with_common_axes(model, free, counts, previous=None):
    """The covariances (K, d, d) of EVE or VVE after one update."""
    K, d = free.shape[:2]
    weights, power = counts / counts.sum(), 1 / d if model == "EVE" else 0

    def height(axes):
        logs = np.log(np.einsum("ji,kil,jl->kj", axes, free, axes)).sum(axis=1)
        return d * np.log(weights @ np.exp(logs / d)) if power else weights @ logs

    if previous is None:
        pooled = np.linalg.eigh(np.einsum("k,kij", weights, free))[1].T
        axes = min(pooled, np.eye(d), key=height)
    else:
        factors = (1 + (np.arange(1, K + 1) * (np.sqrt(5) - 1) / 2) % 1) / np.trace(previous, axis1=1, axis2=2)
        axes = np.linalg.eigh(np.einsum("k,kij", factors, previous))[1].T
    axes = turned_in_every_plane(axes, free, weights, power)
    variances = np.einsum("ji,kil,jl->kj", axes, free, axes)
    if power:
        volumes = np.exp(np.log(variances).mean(axis=1, keepdims=True))
        variances = variances / volumes * (weights @ volumes)
    return axes.T @ (variances[:, :, None] * axes)


# --- Variational Bayes --------------------------------------------------------------------------


@dataclass(frozen=True)
class VariationalPrior:
    """μ_k | Λ_k ~ N(mean, (β_0 Λ_k)⁻¹) and Λ_k ~ W(C⁻¹, ν_0) (10.40); the weights' prior is Dir(α_0) (10.39), or
    breaks sticks Beta(1, α_0) (Blei & Jordan 2006). Uniform noise has a share τ ~ Beta(1, 1) of the rows; its column of
    joint densities and of responsibilities is the last."""

    mean: np.ndarray
    beta: float
    dof: float
    C: np.ndarray  # (d, d)
    alpha: float
    sticks: bool
    log_noise: float | None = None  # its log density; None: there is none


@dataclass(frozen=True)
class VariationalPosterior:
    """Of every component: the counts n_k, and (10.57)–(10.63) with W_k⁻¹ in place of W_k."""

    counts: np.ndarray
    beta: np.ndarray
    means: np.ndarray
    dof: np.ndarray
    inverse_scales: np.ndarray  # (K, d, d)
    n_noise: float = 0.0

    @property
    def covariances(self):
        return self.inverse_scales / self.dof[:, None, None]


def variational_posterior(X, responsibilities, weight, covariance_type, prior, ridge=0.0):
    """The best posterior given responsibilities: where a type restricts W_k, tr A_k W_k = d still holds, so that all
    types have ν_k = ν_0 + n_k; W_k⁻¹ is what the type keeps of A_k = C + n_k S_k + …, their mean if it is common."""
    K, d = responsibilities.shape[1] - (prior.log_noise is not None), X.shape[1]
    counts, first, second = statistics(X, responsibilities[:, :K], weight, np.tile(prior.mean, (K, 1)))
    n_noise = (weight * responsibilities[:, K:].sum(axis=1)).sum()
    beta = prior.beta + counts
    means = prior.mean + first / beta[:, None]
    A = prior.C + second - np.einsum("ki,kj,k->kij", first, first, 1 / beta) + ridge * counts[:, None, None] * np.eye(d)
    dof = prior.dof + counts
    shape = shape_of(covariance_type)
    if shape == "tied":
        A, dof = np.stack([A.mean(axis=0)] * K), np.full(K, dof.mean())
    elif shape != "full":
        A = dense(in_layout(A, covariance_type), covariance_type, K, d)
    return VariationalPosterior(counts, beta, means, dof, A, n_noise)


def of_beta(a, b):
    """The parameters of a beta distribution of τ, E ln τ and E ln (1 − τ)."""
    return a, b, digamma(a) - digamma(a + b), digamma(b) - digamma(a + b)


def noise_share(posterior):
    """The beta posterior of τ."""
    return of_beta(1 + posterior.n_noise, 1 + posterior.counts.sum())


def sticks(counts, alpha):
    """The sticks' beta posteriors (Blei & Jordan 2006, 18)."""
    return of_beta(1 + counts, alpha + np.array([counts[k + 1 :].sum() for k in range(len(counts))]))


def expected_log_weights(counts, prior):
    """(10.66), or Blei & Jordan (2006), section 4."""
    if not prior.sticks:
        return digamma(prior.alpha + counts) - digamma((prior.alpha + counts).sum())
    _, _, log_own, log_rest = sticks(counts, prior.alpha)
    return log_own + np.array([log_rest[:k].sum() for k in range(len(log_rest))])


def expected_weights(counts, prior, n_noise=0.0):
    """Of a Dirichlet process renormalised; with uniform noise, shares of what it leaves."""
    left = 1 if prior.log_noise is None else (1 + counts.sum()) / (2 + counts.sum() + n_noise)
    if not prior.sticks:
        return left * (prior.alpha + counts) / (prior.alpha + counts).sum()
    a, b, *_ = sticks(counts, prior.alpha)
    weights = np.array([a[k] / (a[k] + b[k]) * np.prod((b / (a + b))[:k]) for k in range(len(a))])
    return left * weights / weights.sum()


def expected_log_precision(posterior):
    """E ln |Λ_k| (10.65)."""
    d = posterior.means.shape[1]
    log_scale = -np.linalg.slogdet(posterior.inverse_scales)[1]
    return np.array([digamma((nu - np.arange(d)) / 2).sum() for nu in posterior.dof]) + d * np.log(2) + log_scale


def expected_log_joint(X, posterior, prior, noise=0.0):
    """ln ρ_nk (10.46), of rows seen through noise of that variance: (n, K), or (n, K + 1) with uniform noise."""
    d = X.shape[1]
    squares = squares_of(X, posterior.means, posterior.covariances)  # (10.64)
    traces = np.trace(np.linalg.inv(posterior.covariances), axis1=1, axis2=2)
    constant = expected_log_precision(posterior) / 2 - d / (2 * posterior.beta) - d * np.log(2 * np.pi) / 2
    joint = constant + expected_log_weights(posterior.counts, prior) - (squares + noise * traces) / 2
    if prior.log_noise is None:
        return joint
    _, _, log_share, log_rest = noise_share(posterior)
    return beside_noise(joint + log_rest, log_share + prior.log_noise)


def evidence_bound(X, responsibilities, weight, posterior, prior, noise=0.0):
    """E_q of every term of the bound (10.70), one after the other."""
    K, d = posterior.means.shape
    w = np.broadcast_to(weight, len(X))
    log_pi, log_precision = expected_log_weights(posterior.counts, prior), expected_log_precision(posterior)
    log_joint = expected_log_joint(X, posterior, prior, noise)
    rows_and_labels = (w[:, None] * np.where(responsibilities > 0, responsibilities * log_joint, 0)).sum()  # (10.71 f.)
    entropy = -(w[:, None] * xlogy(responsibilities, responsibilities)).sum()  # (10.75)
    if prior.sticks:
        a, b, log_own, log_rest = sticks(posterior.counts, prior.alpha)
        of_weights = (np.log(prior.alpha) + (prior.alpha - 1) * log_rest).sum()
        of_weights -= ((a - 1) * log_own + (b - 1) * log_rest - betaln(a, b)).sum()
    else:
        alpha = prior.alpha + posterior.counts
        of_weights = gammaln(K * prior.alpha) - K * gammaln(prior.alpha) + ((prior.alpha - 1) * log_pi).sum()  # (10.73)
        of_weights -= gammaln(alpha.sum()) - gammaln(alpha).sum() + ((alpha - 1) * log_pi).sum()  # (10.76)
    if prior.log_noise is not None:
        a, b, log_share, log_rest = noise_share(posterior)
        of_weights -= (a - 1) * log_share + (b - 1) * log_rest - betaln(a, b)  # ln p(τ) = 0
    total = rows_and_labels + entropy + of_weights
    for k in range(K):
        nu, W, step = posterior.dof[k], np.linalg.inv(posterior.inverse_scales[k]), posterior.means[k] - prior.mean
        beta = posterior.beta[k]
        total += d * np.log(prior.beta / (2 * np.pi)) / 2 + log_precision[k] / 2  # (10.74)
        total -= d * prior.beta / beta / 2 + prior.beta * nu * step @ W @ step / 2
        total += log_wishart_normaliser(np.linalg.inv(prior.C), prior.dof)
        total += (prior.dof - d - 1) / 2 * log_precision[k] - nu * np.trace(prior.C @ W) / 2
        total -= d * np.log(beta / (2 * np.pi)) / 2 + log_precision[k] / 2 - d / 2  # (10.77)
        total += nu * d / 2 - log_wishart_normaliser(W, nu) - (nu - d - 1) / 2 * log_precision[k]  # (B.82)
    return total


def log_predictive(X, weights, posterior, noise_weight=0.0, extent=1.0):
    """Log density of each row under marginal t distributions of the columns it has, and noise in a box (10.81)."""
    result, d, extent = [], X.shape[1], np.broadcast_to(extent, X.shape[1])
    for row in X:
        seen = ~np.isnan(row)
        densities = [np.log(noise_weight) - np.log(extent[seen]).sum()] if noise_weight else []
        for k, weight in enumerate(weights):
            nu, beta = posterior.dof[k], posterior.beta[k]
            shape = posterior.inverse_scales[k] * (1 + beta) / (nu + 1 - d) / beta
            t = multivariate_t(posterior.means[k][seen], shape[np.ix_(seen, seen)], nu + 1 - d) if seen.any() else None
            densities.append(np.log(weight) + (t.logpdf(row[seen]) if t else 0))
        result.append(logsumexp(densities))
    return np.array(result)


def log_wishart_normaliser(W, nu):
    """ln B (B.79)."""
    d = len(W)
    return -nu / 2 * np.linalg.slogdet(W)[1] - nu * d / 2 * np.log(2) - multigammaln(nu / 2, d)


def kernel_of_directions(weights, means, covariances, balance, whole=None):
    """M of Scrucca 2010, its two parts weighed as mclust's `MclustDR` does."""
    centre, covariance = whole or moments_of_mixture(weights, means, covariances)
    precision, within = np.linalg.inv(covariance), np.tensordot(weights, covariances, 1)
    between = sum(w * np.outer(a, a) for w, a in zip(weights, means - centre, strict=True))
    spread = sum(w * (S - within) @ precision @ (S - within) for w, S in zip(weights, covariances, strict=True))
    return 2 * balance * between @ precision @ between + 2 * (1 - balance) * spread


def directions(weights, means, covariances, balance, whole=None):
    """Eigenvalues, largest first, vectors in columns of unit variance, and that covariance."""
    covariance = (whole or moments_of_mixture(weights, means, covariances))[1]
    kernel = kernel_of_directions(weights, means, covariances, balance, whole)
    values, vectors = eigh(kernel, covariance)
    return values[::-1], vectors[:, ::-1], covariance


def moments_of_mixture(weights, means, covariances):
    """Mean and covariance of all rows."""
    centre = weights @ means
    away = means - centre
    return centre, sum(w * (S + np.outer(a, a)) for w, S, a in zip(weights, covariances, away, strict=True))


def degenerate_causes(parameters, n, steps, ridge, judge, free):
    """The first cause by which each component of n distinct rows is degenerate, from 1 on; 0 for none.

    See `Degeneracy`. `free` are covariances before they were scaled to one volume, written out; of few factors, none.
    """
    model, weights, means, (K, d) = parameters.model, parameters.weights, parameters.means, parameters.means.shape
    factors = None if model.stores_dense else parameters.covariances
    S = model.layout.dense(parameters.covariances, K, d)
    ridges, rounded = np.full(d, 2 * ridge), 2 * ridge + steps**2 / 12
    roots = [np.sqrt(np.diag(s)) for s in S]
    singular = [
        model.layout.code < 2 and 2 * d * np.finfo(float).eps * np.trace(np.linalg.inv(s / np.outer(r, r))) >= 1
        for s, r in zip(S, roots, strict=True)
    ]
    if K == 1 and not parameters.noise:
        thin = model.layout.code < 2 and n < d + 1 and np.linalg.eigvalsh(S[0])[0] <= 2 * ridge
        return [3 if singular[0] else 1 if thin else 0]
    share = weights / weights.sum()
    away = means - share @ means
    away[np.abs(away) <= K * np.finfo(float).eps * np.abs(means).max(axis=0)] = 0
    total = sum(w * (s + np.outer(a, a)) for w, s, a in zip(weights, S, away, strict=True))
    if parameters.noise:
        total += np.diag((1 - weights.sum()) * parameters.noise.variances)

    def narrow(k, least):
        if model.layout.code >= 2:
            variances = np.diag(free[k]) if factors is None else factors[k, 0]
            thin = (variances < least) & (4 * variances < np.diag(total))
            return thin.sum() > (0 if factors is None else model.n_factors)
        r = np.sqrt(np.diag(free[k]))  # units change nothing
        values, axes = eigh(np.diag(least / r**2), free[k] / np.outer(r, r))
        across = (axes / r[:, None])[:, values > 1]
        return bool(across.size) and np.linalg.eigvalsh(across.T @ total @ across)[-1] > 4

    causes = []
    for k, w in enumerate(weights):
        least = _least_worth(model, n, d, K, n * w, judge)
        cause = 1 if least == np.inf else 2
        gain = n * _worth(k, weights, means, S, "V" not in model.letters, model.layout.code)
        if gain >= least and least < np.inf:
            cause = 3 if singular[k] else 4 if narrow(k, ridges) else 5 if narrow(k, rounded) else 0
        causes.append(cause)
    return causes


def _least_worth(model, n, d, K, m, judge):
    """What a component of m of n rows has to be worth in nats: 0 of many rows, infinite where none is enough."""
    letters, factor = model.letters, getattr(model, "n_factors", 0)
    r = 1 if factor or letters[1] != "V" or letters[2] == "I" else d - (letters[0] == "E")
    N, by_one = n * d, "V" not in letters
    if by_one and judge == "HELD_OUT":
        return 0
    if m <= (1.5 if by_one else factor + 1.5 + d * model.stores_dense if factor else r):
        return np.inf
    p = 1 + d + model.n_parameters(2, d) - model.n_parameters(1, d)
    times = 0 if by_one else m * r / (m - r)
    if m >= n or judge == "HELD_OUT":
        return 0
    if judge != "CRITERION" and m >= 2 * (r + 1) and m * d > 2 * p:
        return 0
    if judge == "CRITERION" and m * d > 8 * p:
        return times * np.log(n) if times > p / 2 else 0
    choice = m * np.log(n / m) + (n - m) * np.log(n / (n - m)) if by_one else times * np.log(n / m)
    if judge != "CRITERION":
        return choice
    prices = []
    for number in (K, K - 1):
        of_covariances, of_means = model.n_parameters(number, d), number - 1 + number * d
        rest = N - of_means - 2 * of_covariances  # Bedrick & Tsai 1994
        prices.append((of_means + of_covariances) * N / rest if rest > 0 else np.inf)
    return np.inf if prices[0] == np.inf else choice + np.log(n) / 2 * (1 + prices[0] - prices[1])


def worth_of_bound(parameters, n, n_copies, steps, ridge, bound):
    """A lower bound of n distinct rows less what rows that repeat give to it; −∞ if a component is degenerate.

    A row of a step h has h times a density that has h²/2π more variance there as its mass: N(0; 0, h²/2π) h = 1.
    """
    model, (K, d) = parameters.model, parameters.means.shape
    S, p = model.layout.dense(parameters.covariances, K, d), 1 + d + model.n_parameters(2, d) - model.n_parameters(1, d)
    causes = degenerate_causes(parameters, n, steps, ridge, "ONE_NUMBER", S)
    by_spread = degenerate_causes(parameters, 1e9 if K > 1 else n, steps, ridge, "HELD_OUT", S)
    if K == 1 and not parameters.noise:
        return -np.inf if by_spread[0] else bound
    wider = np.diag(6 / np.pi * (2 * ridge + steps**2 / 12))
    narrow = S if model.stores_dense else [np.diag(noise) for noise in parameters.covariances[:, 0]]
    for k, w in enumerate(parameters.weights):
        if by_spread[k] in (4, 5) and n_copies * w * d > 2 * p:
            bound -= w * np.linalg.slogdet(np.eye(d) + np.linalg.solve(narrow[k], wider))[1] / 2
        elif causes[k]:
            return -np.inf
    return bound


def owed_to_ties(parameters, rows, weight):
    """What the density of each component owes to rows that repeat, in nats a row, in the column where that is most.

    Of rows of the component a share has the most frequent value; h is the distance to the nearest others, in weight a
    tenth of all that have it. Beside factors, the columns have the variances of the whole mixture.
    """
    (K, d), w = parameters.means.shape, parameters.weights
    S = parameters.model.layout.dense(parameters.covariances, K, d)
    log_joint = [np.log(w[k]) + log_gaussian(rows, parameters.means[k], S[k]) for k in range(K)]
    labels, owed = np.argmax(log_joint, axis=0), np.zeros(K)
    _, total = moments_of_mixture(w / w.sum(), parameters.means, S)
    for k in range(K):
        for j, column in enumerate(rows.T):
            own, of_own = column[labels == k], weight[labels == k]
            held = {value: of_own[own == value].sum() for value in np.unique(own)}
            value = max(held, key=held.get, default=0.0)
            away, step = np.abs(column - value), np.inf
            order = np.argsort(away)
            order = order[away[order] > 0]
            enough = np.cumsum(weight[order]) >= 0.1 * weight[away == 0].sum()
            if enough.any():
                step = away[order][enough.argmax()]
            h2 = min(step**2, 3 * total[j, j]) / (2 * np.pi * S[k][j, j])
            share = min(1, held.get(value, 0) / (w[k] * weight.sum()))
            owed[k] = max(owed[k], share * np.log1p(h2) / 2)
    return owed


def _worth(k, weights, means, S, by_one, layout):
    """What is lost by row, at most, if a component and the other that is nearest become one."""
    if layout > 3:  # of few factors in many columns, which are not merged
        return np.inf
    told = []
    for j in set(range(len(weights))) - {k}:
        s, away, gone = weights[j] + weights[k], means[j] - means[k], weights[j] * weights[k]
        mean, size = (S[j] + S[k]) / 2, lambda matrix: np.linalg.slogdet(matrix)[1]
        merged = (weights[j] * S[j] + weights[k] * S[k]) / s + gone / s**2 * np.outer(away, away)
        if layout in (2, 3):  # diagonal, spherical
            merged = np.diag(np.diag(merged) if layout == 2 else np.full(len(away), np.trace(merged) / len(away)))
        B = (s * size(merged) - weights[j] * size(S[j]) - weights[k] * size(S[k])) / 2
        if by_one:  # the one covariance widens
            wider = gone / s * np.outer(away, away)
            if layout in (2, 3):
                wider = np.diag(np.diag(wider) if layout == 2 else np.full(len(away), np.trace(wider) / len(away)))
            B = (size(S[k] + wider) - size(S[k])) / 2
        H = -sum(w * np.log(w / s) for w in (weights[j], weights[k]))
        log_c = (size(S[j]) + size(S[k])) / 4 - size(mean) / 2 - away @ np.linalg.solve(mean, away) / 8
        told.append(B - H + 2 * np.log(2) * np.sqrt(gone) * np.exp(log_c))
    return min(told, default=np.inf)


def mixture_wasserstein(one, other):
    """MW₂ of Delon & Desolneux (2020), section 4: roots of matrices, and the linear program written out."""
    (w, means, covariances), (v, others, other_covariances) = one, other
    costs = np.empty((len(w), len(v)))
    for k, (m, S) in enumerate(zip(means, covariances, strict=True)):
        for j, (n, T) in enumerate(zip(others, other_covariances, strict=True)):
            root = sqrtm(S)
            costs[k, j] = (m - n) @ (m - n) + np.trace(S + T - 2 * sqrtm(root @ T @ root)).real
    sums = np.vstack([np.kron(np.eye(len(w)), np.ones(len(v))), np.tile(np.eye(len(v)), len(w))])  # rows, columns
    program = linprog(costs.ravel(), A_eq=sums, b_eq=np.concatenate([w / w.sum(), v / v.sum()]))
    return np.sqrt(program.fun)


def divergence(m, S, n, T):
    """The Kullback–Leibler divergence of N(n, T) from N(m, S)."""
    precision, step = np.linalg.inv(T), m - n
    logs = np.linalg.slogdet(T)[1] - np.linalg.slogdet(S)[1]
    return 0.5 * (np.trace(precision @ S) + step @ precision @ step - len(m) + logs)


def divergence_bounds(one, other):
    """Of mixtures, from below as Durrieu et al. (2012) and from above as Hershey & Olsen (2007), equations 19 to 23."""
    (w, means, covariances), (v, others, other_covariances) = one, other
    low = 0.0
    for k, (m, S) in enumerate(zip(means, covariances, strict=True)):
        own = sum(w[i] * np.exp(-divergence(m, S, means[i], covariances[i])) for i in range(len(w)))
        entropy = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * S)[1]
        density = (np.exp(log_gaussian(m[None], others[j], S + other_covariances[j]))[0] for j in range(len(v)))
        low += w[k] * (np.log(own) - entropy - np.log(sum(v[j] * each for j, each in enumerate(density))))
    both = [list(zip(*each[1:], strict=True)) for each in (one, other)]
    apart = np.array([[divergence(*f, *g) for g in both[1]] for f in both[0]])
    phi = psi = np.outer(w, v)
    for _ in range(100):
        psi = v * phi / phi.sum(axis=0)
        phi = psi * np.exp(-apart)
        phi *= w[:, None] / phi.sum(axis=1, keepdims=True)
    return max(low, 0.0), (xlogy(phi, phi) - xlogy(phi, psi) + phi * apart).sum()


def drift_statistics(fit, rows, known, n_replicates, rng):
    """Score, tail, weights and means, of new rows and of random divisions of all rows, by inverse covariances."""
    n, everything = len(rows), np.concatenate([known, rows])
    means, low = fit.means_, np.quantile(fit.score_samples(everything), 0.01)

    def features(X):
        scores, shares = fit.score_samples(X), fit.predict_proba(X)
        gradients = (shares[:, :, None] * (X[:, None] - means)).reshape(len(X), -1)
        return [scores[:, None], 1.0 * (scores < low)[:, None], shares[:, 1:], gradients]

    parts = features(everything)
    inverses = [np.linalg.inv(np.atleast_2d(np.cov(part.T, bias=True))) for part in parts]

    def statistics(new):
        steps = [part[new].mean(axis=0) - np.delete(part, new, axis=0).mean(axis=0) for part in parts]
        unit = 1 / (1 / n + 1 / len(known))
        squares = [unit * step @ inverse @ step for step, inverse in zip(steps, inverses, strict=True)]
        return np.sqrt(squares) * [1, np.sign(steps[1][0]), 1, 1]

    drawn = [rng.permutation(len(everything))[:n] for _ in range(n_replicates)]
    return statistics(np.arange(len(known), len(everything))), np.array(list(map(statistics, drawn)))


def combined(responsibilities, weight):
    """Pairs that are merged one after the other, and the entropies of K, K − 1, … 1 clusters (Baudry et al. 2010)."""
    shares = [*np.asarray(responsibilities, dtype=np.longdouble).T]
    alive, merges, entropies = list(range(len(shares))), [], []

    def entropy(parts):
        return -sum((weight * np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0)).sum() for p in parts)

    entropies.append(entropy(shares))
    while len(alive) > 1:
        found = {}
        for i, a in enumerate(alive):
            for b in alive[i + 1 :]:
                found[a, b] = entropy([shares[a], shares[b]]) - entropy([shares[a] + shares[b]])
        a, b = max(found, key=found.get)
        shares[a] = shares[a] + shares[b]
        alive.remove(b)
        merges.append((a, b))
        entropies.append(entropy([shares[k] for k in alive]))
    return merges, entropies


def checksum(rows):
    """Σ_s (2s + 1) Σ_j g^j b_sj modulo 2^64, of the sums b_sj of 256 rows' bits, in Python's whole numbers."""
    mixing, total = 0x9E3779B97F4A7C15, 0
    bits = np.ascontiguousarray(rows).view(f"u{rows.itemsize}")
    for i, row in enumerate(bits.tolist()):
        for j, number in enumerate(row, 1):
            total += (2 * (i // 256) + 1) * pow(mixing, j, 2**64) * number
    return total % 2**64


# --- Student-t components (Peel & McLachlan 2000) -----------------------------------------------------


def student_log_joint(X, weights, means, scales, nu):
    """ln π_k t(x_i | μ_k, Σ_k, ν), by scipy's density: (n, K)."""
    parts = zip(weights, means, scales, np.broadcast_to(nu, len(weights)), strict=True)
    return np.stack([np.log(w) + multivariate_t(m, (S + S.T) / 2, df=f).logpdf(X) for w, m, S, f in parts], axis=1)


def squares_of(X, means, scales):
    """δ_ik = (x_i − μ_k)ᵀ Σ_k⁻¹ (x_i − μ_k): (n, K)."""
    each = ((X - m, S) for m, S in zip(means, scales, strict=True))
    return np.stack([np.einsum("ni,ni->n", z, np.linalg.solve(S, z.T).T) for z, S in each], axis=1)


def weighed_moments(X, r, u, origins):
    """Counts Σ r, n_k times the mean of u-weighed rows, and their scatter Σ r u about it, both about origins."""
    counts, first, second = r.sum(axis=0), [], []
    for k, origin in enumerate(origins):
        mass = r[:, k] * u[:, k]
        mean = mass @ X / mass.sum()
        first.append(counts[k] * (mean - origin))
        scatter = ((X - mean) * mass[:, None]).T @ (X - mean)
        second.append(scatter + counts[k] * np.outer(mean - origin, mean - origin))
    return counts, np.array(first), np.array(second)


def weighed_update(counts, first, second, covariance_type, reg_covar):
    """Means and scale matrices of `weighed_moments` about zero."""
    means = first / counts[:, None]
    scatter = second - counts[:, None, None] * np.einsum("ki,kj->kij", means, means)
    return means, covariances_of(scatter, counts, covariance_type, reg_covar)


def student_statistics(X, weights, means, scales, nu, weight, origins):
    """The moments of `weighed_moments`, and Σ r E[ln u − u], (K,)."""
    r = responsibilities(student_log_joint(X, weights, means, scales, nu)) * weight[:, None]
    d = X.shape[1]
    u = (nu + d) / (nu + squares_of(X, means, scales))  # E[u_ik] of the precisions of rows, given the rows
    log_u = np.log(u) + digamma((nu + d) / 2) - np.log((nu + d) / 2)  # E[ln u_ik]
    return (*weighed_moments(X, r, u, origins), (r * (log_u - u)).sum(axis=0))


def likeliest_degrees(mean):
    """The root ν of ψ(ν/2) − ln(ν/2) − 1 = the mean of E[ln u − u], or the nearer limit."""
    equation = [digamma(nu / 2) - np.log(nu / 2) - 1 - mean for nu in (1, 200)]
    if equation[0] >= 0 or equation[1] <= 0:
        return 1.0 if equation[0] >= 0 else 200.0
    return brentq(lambda nu: digamma(nu / 2) - np.log(nu / 2) - 1 - mean, 1, 200, xtol=1e-13)


def student_em(X, parameters, covariance_type, n_passes, *, weight, reg_covar=0.0, estimated=None):
    """EM with weights, means, scale matrices and ν, "shared" or of "each", by the root of its equation: as `em`."""
    bounds, path = [], [parameters]
    for _ in range(n_passes):
        bounds.append(weight @ log_evidence(student_log_joint(X, *path[-1])) / weight.sum())
        *moments, sums = student_statistics(X, *path[-1], weight, np.zeros_like(path[-1][1]))
        counts, nu = moments[0], path[-1][3]
        if estimated == "shared":
            nu = likeliest_degrees(sums.sum() / counts.sum())
        elif estimated == "each":
            nu = np.array([likeliest_degrees(mean) for mean in sums / counts])
        path.append((counts / weight.sum(), *weighed_update(*moments, covariance_type, reg_covar), nu))
    return np.array(bounds), path
