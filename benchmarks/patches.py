"""When are full covariances better than factor analysers? Pixels of photographs, few and many.

Patches of 8 × 8 pixels from the two photographs of scikit-learn, in grey, less the mean of the patch and with the noise
of one grey level; columns are standardised, and the last, which follows from the others, is left out. Figures are nats
for each of 2000 patches that are not fitted.
"""

from __future__ import annotations

import numpy as np

from benchmarks.beside_factors import RIDGE, readings
from benchmarks.report import Report, number
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm",), (1,)
SIDE, N_TEST, N_COMPONENTS = 8, 2000, 10
SIZES = (600, 12_000)
MODELS = {name: ("gmm", name) for name in ("diag", "factor5", "factor15", "full")}


def patches(n: int, seed: int = 0) -> np.ndarray:
    """Return patches of both photographs in random order."""
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(seed)
    rows = []
    for name in ("china.jpg", "flower.jpg"):
        windows = np.lib.stride_tricks.sliding_window_view(load_sample_image(name).mean(axis=2), (SIDE, SIDE))
        places = (rng.integers(size, size=n // 2) for size in windows.shape[:2])
        rows.append(windows[tuple(places)].reshape(-1, SIDE**2))
    grey = np.concatenate(rows)
    grey = (grey - grey.mean(axis=1, keepdims=True) + rng.normal(size=grey.shape))[:, :-1]
    return np.asarray(rng.permutation(grey / grey.std(axis=0)))


class Fitted:
    """A fit of a model to the first patches, scored on the last."""

    def __init__(self, model: str, n: int) -> None:
        from gmm import GaussianMixture

        rows = patches(SIZES[-1] + N_TEST)
        self._rows, self._test = rows[:n], rows[-N_TEST:]
        self._mixture = GaussianMixture(
            N_COMPONENTS, covariance_type=model, reg_covar=RIDGE, random_state=0, max_iter=300
        )

    def __call__(self) -> float:
        """Return nats per patch."""
        return float(self._mixture.fit(self._rows).score(self._test))


def run(settings: Settings, report: Report) -> bool:
    """Print a row for each size and model; return whether factors predict better than full where rows are few."""
    report.note(f"nats per patch held out, K={N_COMPONENTS}, ridge {RIDGE:g}; larger is better")
    report.header("patches", "model", "nats", "CPU seconds")
    nats: dict[tuple[int, str], float] = {}
    for n in SIZES[:1] if settings.smoke else SIZES:
        for name, reading in readings(MODELS, Fitted, (n,), f"{n} patches", settings, report):
            nats[n, name] = reading.value
            report.row(f"{n}", name, f"{reading.value:.1f}", number(reading.seconds))
    return nats.get((SIZES[0], "factor5"), -np.inf) > nats.get((SIZES[0], "full"), -np.inf)
