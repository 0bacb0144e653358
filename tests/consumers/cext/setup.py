"""Build the extension module against the installed fastgmmmi: its header is all that is needed."""

from setuptools import Extension, setup

import fastgmmmi

setup(
    name="consumer",
    version="1.0",
    ext_modules=[Extension("consumer", ["consumer.c"], include_dirs=[fastgmmmi.get_include()])],
)
