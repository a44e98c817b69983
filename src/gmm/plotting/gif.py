"""A GIF of a figure whose frames are drawn one after the other, in colours that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from PIL.Image import Image

# Frames are alike in size and colours, whatever Matplotlib's own settings for files.
AS_DRAWN: Any = {"savefig.bbox": None, "savefig.facecolor": "auto", "savefig.transparent": False}
_NEARLY_WHITE = 30  # sum over the channels, of 255 each


def gif(figure: Figure, draw: Callable[[int], Any], waits: Sequence[int], dpi: float | None = None) -> bytes:
    """Encode frames so that only what moves is stored, the file's content.

    Parameters
    ----------
    figure : Figure
    draw : callable
        Draws the frame of a number, from 0, on the figure.
    waits : sequence of int
        Milliseconds that each frame stays.
    dpi : float, optional
        The figure's own if None.
    """
    from PIL import Image

    def picture(number: int) -> Image.Image:
        draw(number)
        return _pixels(figure, dpi or figure.dpi)

    told = [picture(number) for number in sorted({0, len(waits) // 2, len(waits) - 1})]
    sheet = Image.fromarray(np.concatenate([np.asarray(one) for one in told]))
    palette = _with_white(sheet.quantize(256, method=Image.Quantize.MEDIANCUT))
    frames = [picture(number).quantize(palette=palette, dither=Image.Dither.NONE) for number in range(len(waits))]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=list(waits), loop=0)
    return file.getvalue()


def _pixels(figure: Figure, dpi: float) -> Image:
    from PIL import Image

    file = BytesIO()
    with mpl.rc_context(AS_DRAWN):
        figure.savefig(file, format="png", dpi=dpi, pil_kwargs={"compress_level": 1})  # which tells its size
    return Image.open(file).convert("RGB")


def _with_white(sheet: Image) -> Image:
    """The palette, with white for all that is nearly white, as paper is."""
    palette = np.array(sheet.getpalette()).reshape(-1, 3)
    palette[np.abs(255 - palette).sum(axis=1) <= _NEARLY_WHITE] = 255
    sheet.putpalette(palette.ravel().tolist())
    return sheet
