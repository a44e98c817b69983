"""Run sessions of nox and write what came of them to docs/measurements.md: ``python tools/results.py [SESSION...]``.

A session may have arguments, ``"fuzz -- 10000"``; without any, all sessions run. Each replaces its own row, and rows of
sessions that are gone disappear. The tree must be committed, but for prose.
"""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from check_release import ALL_BUT_PROSE, ROOT, output_of, release_commit, sessions

PAGE = ROOT / "docs" / "measurements.md"
HEAD = """## Results of all sessions

One row for each session of `nox`, written by `python tools/results.py`: its commit, day and machine, how long it took
by the clock, and its last line. The commit is the last one that changed more than prose (`*.md`, `CITATION.cff`), which
CI tests with each commit. At a release, `tools/check_release.py` refuses rows of another commit, and failures.

| session | commit | day | machine | minutes | outcome |
| --- | --- | --- | --- | --- | --- |
"""
HEADING = HEAD.partition("\n")[0]
SUMMARY = re.compile(
    r"^=* ?((?:\d+ \w+,? ?)+) in [\d.:]+.*|^(Found .*|Success: .*|All checks passed!.*)$", re.MULTILINE
)


def main(chosen: list[str]) -> None:
    """Run the sessions, one after the other, and write the page after each."""
    if output_of("git", "status", "--porcelain", "--untracked-files=no", "--", *ALL_BUT_PROSE):
        sys.exit("expected a committed tree: commit, then run this again")
    names = sessions()
    if unknown := {name.split()[0] for name in chosen} - set(names):
        sys.exit(f"expected names of sessions that nox --list prints, got {', '.join(sorted(unknown))}")
    for name in chosen or names:
        outcome = row(name)
        print(outcome)
        rows = {**{key: line for key, line in rows_of(PAGE).items() if key in names}, name.split()[0]: outcome}
        before = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
        PAGE.write_text(before + HEAD + "\n".join(rows[key] for key in names if key in rows) + "\n", encoding="utf-8")


def rows_of(page: Path) -> dict[str, str]:
    """Return the line of each session in the page."""
    lines = page.read_text(encoding="utf-8").partition(HEADING)[2].splitlines()
    return {line.split("`")[1].split()[0]: line for line in lines if line.startswith("| `")}


def row(session: str) -> str:
    """Run a session; return its line."""
    began = perf_counter()
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    name, _, arguments = session.partition(" -- ")
    command = ["nox", "--error-on-missing-interpreters", "--session", name]
    command += ["--", *arguments.split()] if arguments else []
    done = subprocess.run(command, cwd=ROOT, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    minutes = (perf_counter() - began) / 60
    log = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / f"session-{name}.log").write_text(log, encoding="utf-8")
    summaries = [first or second for first, second in SUMMARY.findall(log)]
    last = [line for line in log.splitlines() if line.strip() and not line.startswith("nox > *")][-1:]
    outcome = f"passed: {summaries[-1]}" if summaries else "passed"
    if done.returncode:
        outcome = f"**failed**: {(summaries or last or ['no output'])[-1]}".replace("|", "/")
    day = datetime.now(UTC).date()
    return f"| `{session}` | `{release_commit():.10}` | {day} | {machine()} | {minutes:.0f} | {outcome} |"


def machine() -> str:
    """Return system, processor and cores."""
    cpuinfo = Path("/proc/cpuinfo")
    models = re.findall(r"model name\s*: (.*)", cpuinfo.read_text(encoding="utf-8")) if cpuinfo.exists() else []
    return f"{platform.system()} {platform.machine()}, {(models or [platform.processor()])[0]}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main(sys.argv[1:])
