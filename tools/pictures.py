"""Make the pictures of README.md, which are figures of the pages in docs/gallery: ``python tools/pictures.py``.

It needs what the documentation needs: ``pip install . --group docs``. Names of pages after it, such as plot_10_iris,
make those alone.
"""

import contextlib
import io
import os
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery"
FOLDER = ROOT / "docs" / "pictures"
WIDTH = 900  # pixels
INCHES = 5.4  # so that letters can be read where the picture has half a page


class Picture(NamedTuple):
    """A picture: the page that draws it, which of its figures, from 1, it is, and the call that drew it."""

    page: str
    figure: int
    name: str
    call: str


PICTURES = (
    Picture(
        "plot_01_round_and_stretched", 1, "round.png", "plot_decision_boundaries(kmeans, blobs, uncertainty=False)"
    ),
    Picture("plot_01_round_and_stretched", 2, "kmeans.png", "plot_decision_boundaries(kmeans, X, uncertainty=False)"),
    Picture("plot_01_round_and_stretched", 3, "mixture.png", "plot_clusters(mixture, X)"),
    Picture("plot_02_soft_assignments", 2, "soft.png", "plot_uncertainty(mixture, X)"),
    Picture("plot_03_full_and_spherical", 1, "spherical.png", "plot_decision_boundaries(spherical, X)"),
    Picture("plot_03_full_and_spherical", 2, "full.png", "plot_decision_boundaries(full, X)"),
    Picture("plot_04_how_many", 2, "criteria.png", "plot_criteria(found)"),
    Picture("plot_05_shared_shape", 1, "models.png", "plot_selection(found)"),
    Picture("plot_06_convergence", 2, "convergence.png", "plot_convergence(accelerated)"),
    Picture("plot_07_learning", 0, "learning.gif", "animate_fit(X, 4, random_state=87)"),
    Picture("plot_08_galaxies", 2, "galaxies.png", "plot_clusters(found.best, galaxies)"),
    Picture("plot_09_old_faithful", 4, "density.png", "plot_density(best, faithful)"),
    Picture("plot_10_iris", 3, "pairs.png", 'plot_clusters(three, flowers, view="pairs")'),
    Picture("plot_11_colours", 1, "colours.png", "mixture.predict(pixels)"),
    Picture("plot_13_anomalies", 1, "anomalies.png", "plot_density(pump, fresh, content=0.99)"),
    Picture("plot_16_many_columns", 1, "plane.png", "plot_clusters(three, wine.data)"),
)


def main(pages: list[str]) -> None:
    """Draw the pictures of the pages, or of all."""
    known = list(dict.fromkeys(picture.page for picture in PICTURES))
    unknown = [page for page in pages if page not in known]
    if unknown:
        sys.exit(f"no picture is of {', '.join(map(repr, unknown))}; expected some of {', '.join(known)}")
    os.environ["MPLBACKEND"] = "Agg"
    from matplotlib import pyplot as plt

    FOLDER.mkdir(exist_ok=True)
    for page in pages or known:
        with contextlib.redirect_stdout(io.StringIO()):
            names = runpy.run_path(str(GALLERY / f"{page}.py"))
        for picture in PICTURES:
            if picture.page == page:
                save(picture, names, plt)
        plt.close("all")


def save(picture: Picture, names: dict, plt) -> None:
    """Write one picture: a film as it is, a figure in `WIDTH` pixels and few colours."""
    path = FOLDER / picture.name
    if path.suffix == ".gif":
        names["learning"].save(path)
    else:
        from PIL import Image

        figure = plt.figure(picture.figure)
        shape_for_a_column(figure)
        figure.savefig(path, dpi=WIDTH / figure.get_figwidth())
        with Image.open(path) as image:
            few = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} kB")


def shape_for_a_column(figure) -> None:
    """Give a figure the size of README's pictures, and put a legend that is beside its one Axes below."""
    width, height = figure.get_size_inches()
    if len(figure.axes) == 1:
        figure.set_size_inches(INCHES, 0.88 * INCHES)
    elif height > INCHES:
        figure.set_size_inches(1.25 * INCHES, 1.25 * INCHES * height / width)
    if len(figure.axes) != 1:
        return
    (ax,) = figure.axes
    legend = ax.get_legend()
    if legend is None or legend.get_bbox_to_anchor().x0 < ax.bbox.x1:
        return
    entries = list(zip(legend.legend_handles, (text.get_text() for text in legend.get_texts()), strict=True))
    title = entries.pop(0)[1] if entries[0][1].startswith("component: ") else None
    handles, labels = zip(*entries, strict=True)
    legend.remove()
    below = {"loc": "outside lower center", "ncols": 2, "fontsize": 9, "title_fontsize": 9, "frameon": False}
    figure.legend(handles, labels, title=title, **below)


if __name__ == "__main__":
    main(sys.argv[1:])
