"""
Topics in text
==============

Turn texts into rows of a few hundred columns, and a mixture of factor analysers
finds their topics. These texts need no download: they are the docstrings of
scipy and scikit-learn. Each belongs to a subpackage, which the fit does not
see.
"""

import importlib
import inspect
from collections import Counter

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import adjusted_rand_score

from gmm import GaussianMixture
from gmm.plotting import plot_clusters

packages = {
    "scipy": "cluster fft integrate interpolate linalg ndimage optimize signal "
    "sparse spatial special stats",
    "sklearn": "cluster datasets decomposition ensemble feature_extraction "
    "feature_selection gaussian_process linear_model manifold metrics "
    "model_selection neighbors preprocessing svm tree",
}
texts = {}
for package, subpackages in packages.items():
    for subpackage in subpackages.split():
        module = importlib.import_module(f"{package}.{subpackage}")
        for name in sorted(vars(module)["__all__"]):
            text = inspect.getdoc(vars(module).get(name)) or ""
            if len(text) >= 200:
                texts.setdefault(text, (subpackage, name))
subpackage, name = np.array(list(texts.values())).T
print(f"{len(texts)} docstrings of {len(set(subpackage))} subpackages, as")
print(pd.DataFrame({"name": name, "subpackage": subpackage})[::400])

# %%
# Latent semantic analysis turns texts into rows: it weights counts of words by
# how rare each word is, and computes the first 200 principal axes. Rows of
# unit length hide the length of a text.

words = TfidfVectorizer(
    sublinear_tf=True,
    min_df=3,
    max_df=0.3,
    stop_words="english",
    token_pattern="[A-Za-z]{3,}",
)
counts = words.fit_transform(texts)
axes = TruncatedSVD(200, random_state=0).fit(counts)
rows = axes.transform(counts)
rows /= np.linalg.norm(rows, axis=1, keepdims=True)
print(f"{counts.shape[1]} words, {rows.shape[1]} columns")

# %%
# Full covariances would have 20,100 parameters for each topic, which has only
# about 64 texts. Five factors and the noise have 1190. Even that is a lot, so
# the fit shrinks the noise and the means. It does so by default if rows are
# few, and its output states it.

topics = GaussianMixture(
    25, covariance_type="factor", n_factors=5, random_state=4
).fit(rows)
print("\n".join(str(topics).splitlines()[1:3]))

# %%
# What are the topics? Look at the texts nearest to each mean, and at the words
# with the largest weights in it. In most topics one subpackage prevails. Large
# subpackages have several topics: ``special`` has Bessel functions,
# distributions and polynomials.

topic = topics.predict(rows)
vocabulary = words.get_feature_names_out()


def described(k):
    """Size, subpackage, nearest texts and words of a topic."""
    mine = np.flatnonzero(topic == k)
    distances = np.linalg.norm(rows[mine] - topics.means_[k], axis=1)
    most = (topics.means_[k] @ axes.components_).argsort()[::-1]
    prevails, number = Counter(subpackage[mine]).most_common(1)[0]
    return {
        "texts": len(mine),
        "subpackage": f"{prevails} {number / len(mine):.0%}",
        "nearest": ", ".join(name[mine[distances.argsort()[:2]]]),
        "words": ", ".join(vocabulary[most[:3]]),
    }


table = pd.DataFrame([described(k) for k in range(25)])
print(table.to_string())

# %%
# Factors show how the texts of a topic differ. The two ends of its first
# factor have different words:

for k in table.index[table["texts"] > 60]:
    ends = (topics.loadings_[k, :, 0] @ axes.components_).argsort()
    one, other = (
        ", ".join(vocabulary[end]) for end in (ends[:3], ends[:-4:-1])
    )
    print(f"{k:2}  {one}  –  {other}")

# %%
# No plane shows 25 topics. Here are the six largest, in the plane in which they
# differ most. Distributions (3) and linear models (4) stand apart. The others
# overlap in the plane, but less in all 200 columns. The largest, component 1,
# collects texts of many subpackages.

largest = np.sort(table["texts"].nlargest(6).index)
six = GaussianMixture.from_parameters(
    topics.weights_[largest] / topics.weights_[largest].sum(),
    topics.means_[largest],
    topics.covariances_[largest],
    covariance_type="full",
)
ax = plot_clusters(six, rows[np.isin(topic, largest)])
ax.set_title("The six largest topics")
print(table.loc[largest, ["texts", "nearest"]].reset_index())

# %%
# How close are topics to subpackages? The adjusted Rand index is 1 if both are
# the same and 0 if they agree only by chance. Subpackages are not topics, and
# rows of unit length suit k-means, which comes closest. The mixture with
# factors comes closer than the one with variances alone. Texts of a held-out
# fifth are far more probable under it.

held = np.random.default_rng(0).permutation(len(rows)) % 5 == 0
variances = GaussianMixture(25, covariance_type="diag", random_state=4)
found = {"diag": variances.fit_predict(rows), "factor5": topic}
scores = {}
for model, labels in found.items():
    mixture = GaussianMixture(25, covariance_type=model, random_state=4)
    nats = mixture.fit(rows[~held]).score(rows[held])
    scores[model] = adjusted_rand_score(subpackage, labels), nats
k_means = KMeans(25, n_init=5, random_state=0).fit_predict(rows)
scores["k-means"] = adjusted_rand_score(subpackage, k_means), np.nan
columns = ["adjusted Rand index", "nats per text held out"]
print(pd.DataFrame(scores, columns).T.round(2).to_string(na_rep="–"))

# %%
# Responsibilities show which texts lie between topics:

responsibilities = np.sort(topics.predict_proba(rows), axis=1)
between = responsibilities[:, -2].argsort()[::-1][:4]
for text in between:
    first, second = topics.predict_proba(rows[[text]])[0].argsort()[::-1][:2]
    print(f"{name[text]}: {table['words'][first]} – {table['words'][second]}")

# %%
# What to try next
# ----------------
# - Use any embedding as rows. ``gmm fit rows.npy --components 25
#   --covariance factor --n-factors 5`` does the same in a terminal.
# - :doc:`/factors` describes when to use factors.
# - `gmm.analysis.combine_components` merges topics that share texts.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`.
