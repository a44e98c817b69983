from Cython.Build import cythonize
from setuptools import Extension, setup

import gmm

setup(
    py_modules=[],
    ext_modules=cythonize(
        [Extension(name, [source], include_dirs=[gmm.get_include()]) for name, source in (
            ("from_cython", "from_cython.pyx"),
            ("from_c", "from_c.c"),
        )],
        language_level=3,
    ),
)
