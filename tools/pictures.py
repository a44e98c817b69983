"""Draw the pictures of README.md, which are figures of pages in docs/gallery: ``python tools/pictures.py``.

It needs what the documentation needs: ``pip install . --group docs``. Name pages, such as inside/plot_2_learning, to
draw only theirs.
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
INCHES = 5.4  # text stays legible at half the width of a page


class Picture(NamedTuple):
    """A picture: the page that draws it, the number of the figure on that page (from 1), and the call that draws it."""

    page: str
    figure: int
    name: str
    call: str


PICTURES = (
    Picture("first_look/plot_4_old_faithful", 2, "faithful.png", "plot_clusters(best, faithful)"),
    Picture("choosing/plot_2_shared_shape", 1, "models.png", "plot_selection(found)"),
    Picture("inside/plot_2_learning", 0, "learning.gif", "animate_fit(X, 4, random_state=87)"),
    Picture("applications/plot_02_anomalies", 1, "anomalies.png", "plot_density(pump, fresh, content=0.99)"),
)


def main(pages: list[str]) -> None:
    """Draw the pictures of the named pages, or of all pages."""
    known = list(dict.fromkeys(picture.page for picture in PICTURES))
    unknown = [page for page in pages if page not in known]
    if unknown:
        sys.exit(f"no picture comes from {', '.join(map(repr, unknown))}; expected one or more of {', '.join(known)}")
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
    """Write one picture: an animation as it is, a figure `WIDTH` pixels wide with 128 colours."""
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
    """Resize a figure for README; move a legend from beside its only Axes to below it."""
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
