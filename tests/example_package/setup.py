from Cython.Build import cythonize
from setuptools import Extension, setup

import gmm

setup(
    py_modules=[],
    ext_modules=cythonize(
        [
            Extension("from_cython", ["from_cython.pyx"], include_dirs=[gmm.get_include()]),
            Extension("from_c", ["from_c.c"], include_dirs=[gmm.get_include()]),
        ],
        language_level=3,
    ),
)
