"""What a compiler needs of Windows' Python: ``python tools/windows_python.py FOLDER MACHINE``.

Python's headers are this interpreter's, with the parts of ``pyconfig.h`` for 64-bit Windows that others ask about.
The import library names what the headers declare. It is for `nox -s cross`, which compiles and links and runs nothing.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

SIZES = {
    "SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8, "VOID_P": 8, "SIZE_T": 8, "WCHAR_T": 2,
    "TIME_T": 8, "OFF_T": 4, "FPOS_T": 8, "PID_T": 4,
}  # fmt: skip
HAVE = ("DECLSPEC_DLL", "PY_SSIZE_T", "STDDEF_H", "STDINT_H", "SYS_STAT_H", "SYS_TYPES_H", "WCHAR_H")
CONFIGURATION = "\n".join(
    [
        *(f"#define {name}" for name in ("MS_WIN32", "MS_WIN64", "MS_WINDOWS", "NT_THREADS", "Py_ENABLE_SHARED")),
        *(f"#define HAVE_{name} 1" for name in HAVE),
        *(f"#define SIZEOF_{name} {size}" for name, size in SIZES.items()),
        "#define ALIGNOF_MAX_ALIGN_T 8",
        "#define PY_SSIZE_T_MAX 9223372036854775807LL",
        "typedef long long Py_ssize_t;",
        "",
    ]
)


def main(folder: Path, machine: str) -> None:
    """Write ``FOLDER/include`` and ``FOLDER/libpython3.a``."""
    include = folder / "include"
    shutil.copytree(sysconfig.get_path("include"), include, dirs_exist_ok=True)
    (include / "pyconfig.h").write_text(CONFIGURATION)
    functions, data = set(), set()
    for header in include.rglob("*.h"):
        text = header.read_text(errors="replace")
        functions.update(re.findall(r"PyAPI_FUNC\([^)]*\)\s*(?:_Py_NO_RETURN\s+)?(\w+)", text))
        data.update(re.findall(r"PyAPI_DATA\([^)]*\)\s*(\w+)", text))
    names = [*sorted(functions), *(f"{name} DATA" for name in sorted(data))]
    (folder / "python.def").write_text("\n".join(["LIBRARY python3xx.dll", "EXPORTS", *names, ""]))
    library = ["-m", machine, "-d", str(folder / "python.def"), "-l", str(folder / "libpython3.a")]
    subprocess.run([sys.executable, "-m", "ziglang", "dlltool", *library], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
