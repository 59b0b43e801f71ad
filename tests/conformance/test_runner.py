"""The runner of CPython's tests: what it rewrites, and what it expects."""

from __future__ import annotations

import pytest

from tests.conformance import expectations
from tests.conformance.expectations import Expectation
from tests.conformance.rewriting import PACKAGE, rewritten


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import multiprocessing", "import procession"),
        ("import multiprocessing as mp", "import procession as mp"),
        ("import multiprocessing.pool", "import procession.pool"),
        ("from multiprocessing import util", "from procession import util"),
        ("from multiprocessing.managers import X", "from procession.managers import X"),
        ("p = multiprocessing.Process()", "p = procession.Process()"),
        ("code = 'import multiprocessing as mp; mp.Pool()'", None),
        ("patch('multiprocessing.util.info')", "patch('procession.util.info')"),
        ("import _multiprocessing", "import _multiprocessing"),
        ("from test import support", "from test import support"),
        ("import test._test_multiprocessing", f"import {PACKAGE}._test_multiprocessing"),
        ("['test.test_multiprocessing_spawn']", f"['{PACKAGE}.test_multiprocessing_spawn']"),
        ("('unclosed running multiprocessing pool'", "('unclosed running multiprocessing pool'"),
    ],
)
def test_module_name_is_rewritten_where_it_is_one(text: str, expected: str | None) -> None:
    """The module's name changes in code and in strings; words that look like it do not."""
    if expected is None:
        expected = text.replace("multiprocessing", "procession")
    assert rewritten(text) == expected


def test_every_expectation_has_a_reason() -> None:
    """Each entry of the list is of a known kind and says why, in a sentence."""
    for expectation in expectations.read():
        assert expectation.kind in expectations.KINDS
        assert len(expectation.reason.split()) > 5
        assert expectation.tests


def test_an_expectation_holds_for_its_versions_only() -> None:
    """An entry for older or newer versions of Python explains nothing here."""
    kinds = {"kind": "private", "reason": "", "tests": ("*/Some.test_*",)}
    assert Expectation(**kinds).explains("fork/Some.test_this")
    assert not Expectation(**kinds).explains("fork/Other.test_this")
    assert not Expectation(**kinds, until=(3, 9)).explains("fork/Some.test_this")
    assert not Expectation(**kinds, since=(3, 98)).explains("fork/Some.test_this")
