"""
From a table of customers to segments
=====================================

You can find groups in a table without writing Python. This command searches,
chooses a model, and writes a page that you can send to a colleague:

.. code-block:: console

   $ gmm fit customers.csv --components 1:7 --report --out segments

The table here is simulated, with four kinds of customers. No column gives the
kind of a customer. The first rows:
"""

# sphinx_gallery_start_ignore
import html
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import gmm
from gmm.plotting import plot_clusters

rng = np.random.default_rng(7)
kinds = {  # customers; mean and spread of age, income, visits a month, basket
    "students": (260, [23, 19, 6.0, 19], [3.0, 5, 2.0, 6]),
    "families": (420, [41, 56, 4.2, 88], [8.0, 13, 1.3, 24]),
    "pensioners": (240, [66, 33, 7.5, 33], [8.0, 9, 2.0, 10]),
    "collectors": (80, [48, 86, 1.8, 210], [10.0, 20, 0.6, 55]),
}
columns = ["age", "income", "visits", "basket"]
rows = [
    pd.DataFrame(rng.normal(mean, spread, (n, 4)), columns=columns)
    for n, mean, spread in kinds.values()
]
kind = np.repeat(list(kinds), [n for n, _, _ in kinds.values()])
shuffled = rng.permutation(len(kind))
customers = (
    pd.concat(rows, ignore_index=True)
    .clip(lower=0.2)
    .round(1)
    .iloc[shuffled]
    .reset_index(drop=True)
)
kind = kind[shuffled]
print(customers.head().to_string())
# sphinx_gallery_end_ignore

# %%
# The command prints:

# sphinx_gallery_start_ignore
folder = Path(tempfile.mkdtemp())
customers.to_csv(folder / "customers.csv", index=False)
command = [
    sys.executable,
    "-m",
    "gmm",
    "fit",
    "customers.csv",
    "--components",
    "1:7",
    "--report",
    "--out",
    "segments",
]
print(
    subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout
)
# sphinx_gallery_end_ignore

# %%
# The report is one file that loads nothing else. Here it is in a frame:

# sphinx_gallery_start_ignore


class Framed:
    """A page within this page."""

    def __init__(self, page):
        self.page = page

    def _repr_html_(self):
        style = "width: 100%; height: 40em; border: 1px solid #8c959f"
        page = html.escape(self.page)
        return (
            f'<iframe title="report" srcdoc="{page}" style="{style}"></iframe>'
        )


report = folder / "segments" / "report.html"
Framed(report.read_text(encoding="utf-8"))
# sphinx_gallery_end_ignore

# %%
# The same folder holds the model and ``labels.csv``, a table with each
# customer's segment. ``gmm predict segments/model.gmm new.csv`` assigns new
# customers. In Python, `gmm.load` reads the model (``folder`` is where the
# command ran).

segments = gmm.load(folder / "segments" / "model.gmm")
plot_clusters(segments, customers)

# %%
# Because the table is simulated, we can compare the segments with the true
# kinds, in ``kind``.

print(
    pd.crosstab(
        kind,
        segments.predict(customers),
        rownames=["kind"],
        colnames=["segment"],
    )
)

# %%
# A new customer is 45, earns 60, comes four times a month and spends 80 each
# time. Which segment is that?

new = pd.DataFrame([[45, 60, 4, 80]], columns=customers.columns)
print(
    "segment",
    segments.predict(new),
    "with certainty",
    segments.predict_proba(new).max().round(3),
)

# %%
# What to try next
# ----------------
#
# - :ref:`sphx_glr_auto_gallery_choosing_plot_4_iris.py`: the same search from
#   Python.
# - ``--criterion icl`` for well-separated segments; ``--covariance EEE,VVV``
#   for fewer models.
#
# Used here: the command ``gmm``, `gmm.load`, `gmm.plotting.plot_clusters`.
