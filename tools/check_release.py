"""Whether what a tag publishes is what the sources say: ``python tools/check_release.py v1.2.3 [https://…/repository]``.

The tag is the version, CHANGELOG.md and CITATION.cff date it alike, and every file has the names and addresses of
pyproject.toml; with a repository, the one that publishes, these addresses are its own.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def faults(tag: str, repository: str = "") -> list[str]:
    """What stands between these sources and a release, one sentence each."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    name, version, urls = project["name"], project["version"], project["urls"]
    dates = re.findall(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE)
    expected = {
        "CITATION.cff": [
            f"version: {version}\n",
            f'repository-code: "{urls["Source"]}"\n',
            f'url: "{urls["Documentation"]}"\n',
            *(f"date-released: {date}\n" for date in dates),
        ],
        ".github/workflows/wheels.yml": [f"url: https://pypi.org/project/{name}/\n"],
    }
    return [
        *([] if tag == f"v{version}" else [f"the tag is {tag}, expected v{version} of pyproject.toml"]),
        *([] if dates else [f"CHANGELOG.md gives {version} no date"]),
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


def text(file: str) -> str:
    """Return the text of a file of the project."""
    return (ROOT / file).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:])) or 0)
