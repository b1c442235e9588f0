"""Every example in a docstring of the contract is run."""

import doctest
import importlib
import pkgutil

import pytest

import contract

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(contract.__path__, "contract.")
    if not module.ispkg
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    with_examples = [
        name
        for name in MODULES
        if any(test.examples for test in finder.find(importlib.import_module(name)))
    ]
    assert len(with_examples) >= 10
