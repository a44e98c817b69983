"""
Colours of a photograph
=======================

A photograph is a table with a row for each pixel and the columns red, green and
blue. A mixture of five components finds five ranges of colour, and the
certainty of each pixel's assignment.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_sample_image

from gmm import GaussianMixture
from gmm.plotting import plot_clusters

photograph = load_sample_image("china.jpg")[::2, ::2] / 255
height, width, _ = photograph.shape
pixels = pd.DataFrame(
    photograph.reshape(-1, 3), columns=["red", "green", "blue"]
)
print(f"{len(pixels)} rows from {width} x {height} pixels")
# sphinx_gallery_thumbnail_number = 1

# %%
# A fit to a tenth of the rows is enough to learn the colours. It then assigns
# all pixels.

mixture = GaussianMixture(5, random_state=0).fit(pixels[::10])
component = mixture.predict(pixels)
print(mixture)

# %%
# Left, the photograph; right, each pixel in the mean colour of its component.

painted = mixture.means_[component].clip(0, 1).reshape(photograph.shape)
figure, axes = plt.subplots(1, 2, figsize=(5, 2.3), layout="constrained")
shown = {"original": photograph, "5 components": painted}
for ax, (title, picture) in zip(axes, shown.items(), strict=True):
    ax.imshow(picture)
    ax.set_title(title)
    ax.set_axis_off()
# sphinx_gallery_start_ignore
figure.set_facecolor("none")  # no white box on dark pages
for ax in axes:
    ax.title.set_color("0.5")
# sphinx_gallery_end_ignore

# %%
# Here are the pixels in the plane in which the components differ most. The sky
# is the small dense component. The rest of the picture runs from shadow to
# light in elongated clouds, which full covariances fit and circles would not.

plot_clusters(mixture, pixels)

# %%
# Where is the mixture uncertain? White pixels are certain. Dark pixels are
# shared between components, at edges and in textures, where colours blend.

unsure = 1 - mixture.predict_proba(pixels).max(axis=1)
figure, ax = plt.subplots(figsize=(5, 4.2), layout="constrained")
ax.imshow(unsure.reshape(height, width), cmap="Greys", vmin=0, vmax=0.5)
ax.set_title("probability of another component")
ax.set_axis_off()
print(f"{np.mean(unsure < 0.05):.0%} of the pixels are at least 95 % certain")

# %%
# What to try next
# ----------------
#
# - ``load_sample_image("flower.jpg")``, with three components.
# - Add the position of each pixel as two more columns; segments then tend to be
#   connected.
#
# Used here: `gmm.GaussianMixture`, `gmm.plotting.plot_clusters`.
