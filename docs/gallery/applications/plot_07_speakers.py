"""
Recognise speakers by adapted mixtures
======================================

Speech has many sounds, so compare voices sound by sound. Fit one large
mixture to many voices: its components are sounds. Then adapt it to a few
seconds of one voice. Components of sounds that were heard move; the others do
not.
"""

import matplotlib.pyplot as plt
import numpy as np

from gmm import GaussianMixture
from gmm.analysis import adapt, fisher_vector
from gmm.em import e_step

# %%
# Real systems compute about 20 numbers for each hundredth of a second, such as
# cepstral coefficients. Here they are simulated: 24 sounds in 12 dimensions,
# and speakers who pronounce each sound a little differently. One property
# matters for the method: sounds differ far more than speakers do.

rng = np.random.default_rng(7)
n_sounds, n_features = 24, 12
sounds = rng.normal(scale=3.0, size=(n_sounds, n_features))
spread = rng.uniform(0.7, 1.3, size=(n_sounds, n_features))


class Speaker:
    """Pronounces each sound with an accent of its own."""

    def __init__(self):
        self.accent = rng.normal(scale=0.12, size=(n_sounds, n_features))
        self.accent += rng.normal(scale=0.05, size=n_features)

    def speech(self, seconds):
        """One row for each hundredth of a second; a sound lasts for ten."""
        spoken = np.repeat(rng.integers(n_sounds, size=10 * seconds), 10)
        noise = spread[spoken] * rng.normal(size=(len(spoken), n_features))
        return sounds[spoken] + self.accent[spoken] + noise


# %%
# Fit the mixture of everybody to 30 seconds of each of 60 voices.

everybody = np.concatenate([Speaker().speech(30) for _ in range(60)])
background = GaussianMixture(
    n_sounds, covariance_type="diag", random_state=0
).fit(everybody)
print(f"{len(everybody):,} rows, {background.n_components} components")

# %%
# Twenty new speakers enrol with ten seconds each. Adaptation needs one pass
# over them. The alternative is a mixture for each speaker, with few components
# because there are few rows.

speakers = [Speaker() for _ in range(20)]
enrolled = [speaker.speech(10) for speaker in speakers]
adapted = [adapt(background, rows) for rows in enrolled]
alone = {
    n: [
        GaussianMixture(n, covariance_type="diag", random_state=0).fit(rows)
        for rows in enrolled
    ]
    for n in (1, 8, 24)
}
vectors = np.stack([fisher_vector(background, rows) for rows in enrolled])

# %%
# Who speaks? Mixtures name the speaker whose mixture makes the new recording
# most likely. Fisher vectors name the enrolled speaker with the smallest angle.

methods = {
    "adapted mixtures": lambda rows: np.argmax(
        [mixture.score(rows) for mixture in adapted]
    ),
    "Fisher vectors": lambda rows: np.argmax(
        vectors @ fisher_vector(background, rows)
    ),
} | {
    f"own mixture of {n}": lambda rows, own=own: np.argmax(
        [mixture.score(rows) for mixture in own]
    )
    for n, own in alone.items()
}
lengths = [1, 2, 4, 8]
right = {name: [] for name in methods}
for seconds in lengths:
    recordings = [
        (who, speaker.speech(seconds))
        for who, speaker in enumerate(speakers)
        for _ in range(10)
    ]
    for name, guess in methods.items():
        hits = [guess(rows) == who for who, rows in recordings]
        right[name].append(np.mean(hits))
print("recognised after  ", *(f"{seconds:2d} s" for seconds in lengths))
for name, shares in right.items():
    print(f"{name:18s}", *(f"{share:4.0%}" for share in shares))

fig, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
for name, shares in right.items():
    ax.plot(lengths, np.multiply(shares, 100), "o-", label=name)
ax.set_xscale("log", base=2, subs=[])
ax.set_xticks(lengths, [f"{seconds} s" for seconds in lengths])
ax.set_ylim(0, 103)
ax.set_xlabel("length of the recording")
ax.set_ylabel("recognised, %")
ax.set_title("One of 20 speakers, enrolled with ten seconds")
ax.legend()

# %%
# How far a component moves depends on how often its sound was heard. With n
# rows, it goes n / (n + 16) of the way to their mean. The relevance, 16, is the
# weight of the mixture of everybody, in rows for each component.

statistics = e_step(background, enrolled[0])
moved = np.linalg.norm(adapted[0].means_ - background.means_, axis=1)
way = np.linalg.norm(statistics.means - background.means_, axis=1)
fig, ax = plt.subplots(figsize=(5, 3.2), layout="constrained")
heard = np.linspace(0, statistics.counts.max(), 200)
ax.plot(heard, heard / (heard + 16), color="0.6", label="n / (n + 16)")
ax.plot(statistics.counts, moved / way, "o", label="components")
ax.set_xlabel("rows of the sound among the ten seconds, n")
ax.set_ylabel("share of the way that it moved")
ax.legend()

# %%
# Real systems add features that do not depend on the telephone, recordings with
# noise, a thousand components, and calibrated scores, so that "none of these"
# is an answer. Since about 2015 they use neural networks, which learn from
# thousands of voices and are then far better. Use adapted mixtures for few
# recordings, little computing, and other sets of rows: walks, machines, or
# pictures as sets of patches.

# %%
# What to try next
# ----------------
# - ``adapt(..., parameters=("weights", "means", "covariances"))`` adapts all
#   parameters.
# - Statistics of recordings add up:
#   ``adapt(background, e_step(background, monday) +
#   e_step(background, tuesday))``.
#
# Used here: `gmm.analysis.adapt`, `gmm.analysis.fisher_vector`,
# `gmm.em.e_step`, `gmm.GaussianMixture`.
