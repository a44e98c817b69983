"""The recipe for conda-forge: ``python tools/conda_recipe.py SDIST > recipe.yaml``; `nox -s recipe` checks it.

Versions, requirements and addresses are those of pyproject.toml, the hash is that of the published archive.
"""

import hashlib
import sys
import tomllib
from pathlib import Path
from string import Template

RECIPE = Template("""\
schema_version: 1

package:
  name: $name
  version: "$version"

source:
  url: https://pypi.org/packages/source/$initial/$name/$archive
  sha256: $digest

build:
  number: 0
  script:
    - if: win
      then: set CC=clang-cl
    - $${{ PYTHON }} -m pip install . -vv --no-deps --no-build-isolation
  python:
    entry_points:
      - gmm = $command

requirements:
  build:
    - $${{ compiler("c") }}
    - $${{ stdlib("c") }}
    - if: win
      then: clang
    - if: build_platform != target_platform
      then:
        - python
        - cross-python_$${{ target_platform }}
        - $build
  host:
    - python
    - pip
    - $host
  run:
    - python
    - $run

tests:
  - python:
      imports: [gmm]
      pip_check: true
  - script:
      - python -c "import gmm; gmm.show_versions()"

about:
  homepage: $pages
  repository: $source
  summary: "$summary"
  license: $license
  license_file: [$files]

extra:
  recipe-maintainers: []   # a person decides: RELEASING.md
""")


def recipe(archive: Path) -> str:
    """Return the recipe for a source distribution."""
    metadata = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    project, build = metadata["project"], metadata["build-system"]["requires"]

    def listed(requirements: list[str], indent: int) -> str:
        """Requirements as conda writes them: in small letters, a space before the version."""
        return f"\n{' ' * indent}- ".join(each.lower().replace(">=", " >=") for each in requirements)

    return RECIPE.substitute(
        name=project["name"],
        initial=project["name"][0],
        version=project["version"],
        archive=archive.name,
        digest=hashlib.sha256(archive.read_bytes()).hexdigest(),
        command=project["scripts"]["gmm"],
        build=listed(build, 8),
        host=listed(build, 4),
        run=listed(project["dependencies"], 4),
        pages=project["urls"]["Documentation"],
        source=project["urls"]["Source"],
        summary=project["description"],
        license=project["license"],
        files=", ".join(project["license-files"]),
    )


if __name__ == "__main__":
    print(recipe(Path(sys.argv[1])), end="")
