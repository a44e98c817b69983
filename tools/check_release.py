"""Whether what a tag publishes is what the sources say: ``python tools/check_release.py v1.2.3 https://…/repository``.

The tag is the version, CHANGELOG.md dates it, and the addresses in the metadata are those of the repository that
publishes.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def faults(tag: str, repository: str) -> list[str]:
    """What stands between these sources and a release, one sentence each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, urls = project["version"], project["urls"]
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, expected v{version} of pyproject.toml")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changes, re.MULTILINE):
        found.append(f"CHANGELOG.md gives {version} no date")
    found += [
        f"the address {name} in pyproject.toml is {urls[name]}, expected one below {repository}"
        for name in ("Source", "Issues", "Changelog")
        if f"{urls[name]}/".removeprefix(repository)[:1] != "/"
    ]
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:])) or 0)
