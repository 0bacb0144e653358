"""Build the module with its extension, as cffi's documentation has it."""

from setuptools import setup

setup(name="cffi-consumer", version="1.0", py_modules=["consumer"], cffi_modules=["build.py:builder"])
