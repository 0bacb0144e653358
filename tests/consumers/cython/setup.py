"""Build against the installed fastgmmmi: Cython finds cython_api.pxd by itself, the compiler needs the header."""

from Cython.Build import cythonize
from setuptools import Extension, setup

import fastgmmmi

extension = Extension("consumer", ["consumer.pyx"], include_dirs=[fastgmmmi.get_include()])
setup(name="cython-consumer", version="1.0", ext_modules=cythonize([extension]))
