"""Whether what a tag publishes is what the sources say: ``python tools/check_release.py v1.2.3 [https://…/repository]``.

The tag is the version, CHANGELOG.md and CITATION.cff date it alike, README.md knows that it is on PyPI, and every file
has the names and addresses of pyproject.toml; with a repository, the one that publishes, these addresses are its own.
There are saved files of the version, which those to come must load.
Results of sessions are those of the last commit that changed more than prose, and there is one of each session that nox
lists.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALL_BUT_PROSE = (".", ":!*.md", ":!CITATION.cff")
UNPUBLISHED = "not on PyPI yet"
SAVED = "tests/data/saved"


def faults(tag: str, repository: str = "") -> list[str]:
    """What stands between these sources and a release, one sentence each."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    name, version, urls = project["name"], project["version"], project["urls"]
    repository_name = urls["Source"].split("/", 3)[-1]
    dates = re.findall(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE)
    expected = {
        "CITATION.cff": [
            f"version: {version}\n",
            f'repository-code: "{urls["Source"]}"\n',
            f'url: "{urls["Documentation"]}"\n',
            *(f"date-released: {date}\n" for date in dates),
        ],
        "README.md": [f"git clone {urls['Source']} &&"],
        ".github/workflows/wheels.yml": [f"url: https://pypi.org/project/{name}/\n"],
        "RELEASING.md": [f"--repo {repository_name}`"],
        "docs/support.md": [f"--repo {repository_name}`"],
    }
    return [
        *([] if tag == f"v{version}" else [f"the tag is {tag}, expected v{version} of pyproject.toml"]),
        *([] if dates else [f"CHANGELOG.md gives {version} no date"]),
        *([f"README.md says {UNPUBLISHED!r}"] if dates and UNPUBLISHED in text("README.md") else []),
        *([] if (ROOT / SAVED / version).is_dir() else [f"{SAVED} has none of {version}: RELEASING.md, step 2"]),
        *(
            f"{file} does not say {line.strip()!r}, as pyproject.toml and CHANGELOG.md do"
            for file, lines in expected.items()
            for line in lines
            if line not in text(file)
        ),
        *(
            f"the address {key} in pyproject.toml is {urls[key]}, expected one below {repository}"
            for key in ("Source", "Issues", "Changelog")
            if repository and f"{urls[key]}/".removeprefix(repository)[:1] != "/"
        ),
    ]


def unfit_results(commit: str, sessions: list[str]) -> list[str]:
    """Sessions without a row in docs/measurements.md, rows of another commit, and sessions that failed."""
    rows = re.findall(r"^\| `(.+?)` \| `(\w+)` \|.*\| (.*) \|$", text("docs/measurements.md"), re.MULTILINE)
    named = {name for name, _, _ in rows}  # with arguments, it may be a part of a session
    others: dict[str, list[str]] = {}
    for name, of, _ in rows:
        if of != commit[:10]:
            others.setdefault(of, []).append(name)
    return [
        *(
            f"docs/measurements.md has {', '.join(group)} of {of}, expected {commit:.10}: python tools/results.py"
            for of, group in others.items()
        ),
        *(f"docs/measurements.md: {name} failed" for name, _, outcome in rows if "**failed**" in outcome),
        *(f"docs/measurements.md has no row of {name} as a whole" for name in sessions if name not in named),
    ]


def release_commit() -> str:
    """Return the last commit that changed more than prose, which CI tests with each commit."""
    return output_of("git", "log", "-1", "--format=%H", "--", *ALL_BUT_PROSE).strip()


def sessions() -> list[str]:
    """Return the names of all sessions."""
    return re.findall(r"^[*-] (\S+)", output_of("nox", "--list"), re.MULTILINE)


def output_of(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def text(file: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / file).read_text(encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    what = faults(*sys.argv[1:])
    if shutil.which("nox"):
        what += unfit_results(release_commit(), sessions())
    else:
        what.append("nox is not on PATH, which lists the sessions for docs/measurements.md: python -m pip install nox")
    sys.exit("\n".join(what) or 0)
