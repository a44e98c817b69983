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
    Picture("applications/plot_02_anomalies", 1, "anomalies.png", "plot_density(pump, new, content=0.99)"),
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
        figure.savefig(path, dpi=WIDTH / figure.get_figwidth())
        with Image.open(path) as image:
            few = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
