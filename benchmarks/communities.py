"""What do four communities gain: tabular synthesis, anomaly detection, reduced embeddings, stable clusters?

Each recipe is tried against the package it is for; one that is not installed is left out, and said.
"""

from __future__ import annotations

from types import ModuleType

from benchmarks import anomalies, reduced, stable, synthesis
from benchmarks.report import Report, say, version
from benchmarks.settings import Settings

PEERS, THREADS = ("gmm", "sklearn"), (1,)
PARTS: dict[str, ModuleType] = {
    "synthesis": synthesis,
    "anomalies": anomalies,
    "embeddings": reduced,
    "stability": stable,
}
OTHERS = ("rdt", "pyod", "igraph", "leidenalg")


def run(settings: Settings, report: Report) -> bool:
    """Print a table for each community; return whether all answers are right."""
    installed = [f"{name} {number}" for name in OTHERS if (number := version(name))]
    report.note(", ".join(installed) or "no other package is installed")
    right = True
    for name, part in PARTS.items():
        if settings.only in name:
            say("", f"### {name}")
            right &= part.run(settings, report)
            report.close()
    return right
