"""
Look through measurement errors
===============================

Colours of faint stars have large errors. A mixture of the measured values
describes stars and errors together. If the errors are known, as they mostly
are, ``fit(X, error_covariance=...)`` removes them: it fits the distribution of
the true values (extreme deconvolution: Bovy, Hogg & Roweis 2011). The stars
here are simulated, so we can show the truth.
"""

import matplotlib.pyplot as plt
import numpy as np

from gmm import GaussianMixture
from gmm.analysis import true_values
from gmm.plotting import plot_clusters

# sphinx_gallery_thumbnail_number = 1

# %%
# In two colours, the stars form two narrow sequences and a clump. Each star has
# its own errors: a hundredth of a magnitude for a bright star, four tenths for
# a faint one. ``error_covariance`` holds their squares.

rng = np.random.default_rng(0)
n = 3000
kind = rng.choice(3, n, p=[0.5, 0.35, 0.15])
centres = np.array([[0.4, 0.1], [0.9, 0.7], [1.3, 0.15]])
widths = np.array([[0.25, 0.03], [0.3, 0.03], [0.05, 0.05]])
along = rng.normal(size=(n, 2)) * widths[kind]
slope = np.array([0.5, 0.45, 0.0])[kind]
truth = centres[kind] + np.column_stack(
    [along[:, 0], slope * along[:, 0] + along[:, 1]]
)
deviations = rng.uniform(0.01, 0.4, size=(n, 1)) * rng.uniform(0.7, 1, (n, 2))
measured = truth + deviations * rng.normal(size=(n, 2))

fits = {
    "errors ignored": GaussianMixture(3, random_state=0).fit(measured),
    "errors known": GaussianMixture(3, random_state=0).fit(
        measured, error_covariance=deviations**2
    ),
}
fig, axes = plt.subplots(
    1, 3, figsize=(5, 2.8), sharex=True, sharey=True, layout="constrained"
)
axes[0].plot(*measured.T, ".", ms=2, alpha=0.4, color="gray")
axes[0].set(title="measured", xlabel="g - r", ylabel="r - i")
for ax, (name, fit) in zip(axes[1:], fits.items(), strict=True):
    plot_clusters(fit, truth, ax=ax)
    ax.set(title=name, xlabel="g - r", ylabel="")
    ax.get_legend().remove()
axes[0].set(xlim=(-0.8, 2.2), ylim=(-0.8, 2.2))

# %%
# The fits see only the rows of the left panel; the others show true values. The
# first fit describes stars and errors together. The ellipses of the second lie
# on the sequences. The mean log-likelihood of the true values agrees.

scores = {name: fit.score(truth) for name, fit in fits.items()}
for name, score in scores.items():
    print(f"{name:15} {score:+.2f} nats per star")

# %%
# The true value of each star
# ---------------------------
# `gmm.analysis.true_values` combines a measured row with the mixture into an
# estimate of its true value, with its uncertainty. Poor measurements gain most.

fit = fits["errors known"]
means, covariances = true_values(fit, measured, deviations**2)
before = np.sqrt(((measured - truth) ** 2).mean(axis=1))
after = np.sqrt(((means - truth) ** 2).mean(axis=1))
faint = deviations.mean(axis=1) > 0.2
for name, group in {"bright": ~faint, "faint": faint}.items():
    was, now = (np.sqrt((x[group] ** 2).mean()) for x in (before, after))
    print(f"{name:6} off by {was:.3f} as measured, by {now:.3f} as expected")
gaps = (means - truth) / np.sqrt(np.einsum("nii->ni", covariances))
within = np.mean(np.abs(gaps) < 1.645)
print(f"{within:.0%} of the true values lie in their 90 % intervals")

# %%
# ``predict_proba`` and densities accept errors too: the same colours are weaker
# evidence about a star if their errors are large.

colours = np.array([[0.95, 0.5]] * 3)
errors = np.array([[0.02], [0.1], [0.3]]) ** 2 * np.ones(2)
shares = fit.predict_proba(colours, error_covariance=errors)
print("largest probability:", *shares.max(axis=1).round(2))

# %%
# What to try next
# ----------------
# - ``missing="em"`` works with errors too: a gap is a value with an infinite
#   error.
# - If errors are unknown, omit them. The rows do not separate errors from
#   spread.
#
# Used here: `gmm.GaussianMixture` with ``error_covariance``,
# `gmm.analysis.true_values` and `gmm.plotting.plot_clusters`.
