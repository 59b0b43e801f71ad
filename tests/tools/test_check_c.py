"""Our checker of the C sources refuses what it is there to refuse."""

from __future__ import annotations

import pytest

from tools.check_c import ROOT, check_binding_file, check_core_file, check_text

CORE = ROOT / "core" / "src"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("arena.c", '#include "queue.h"', "includes queue.h, which is above it"),
        ("atomic.h", '#include "os.h"', "includes os.h, which is above it"),
        ("lane_put.c", '#include "nowhere.h"', "above it or unknown"),
        ("lane.c", "#include <sys/mman.h>", "the system is called in os_"),
        ("queue.c", "x = load(&y, memory_order_acquire);", "spells a memory order"),
        ("novelty.c", "int x;", "has no level"),
    ],
)
def test_a_core_file_that_breaks_a_rule_is_named(file: str, text: str, complaint: str) -> None:
    """Upward includes, system headers, memory orders and unknown files are complained about."""
    found = list(check_core_file(CORE / file, text))
    assert len(found) == 1
    assert complaint in found[0]
    assert f"core/src/{file}" in found[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("queue.c", '#include "lane.h"\n#include <string.h>'),
        ("arena.c", '#include "peer.h"'),
        ("os_linux_memory.c", "#include <sys/mman.h>"),
        ("atomic.h", "#include <stdatomic.h>\nmemory_order_relaxed"),
        ("lane.c", "/* as memory_order_seq_cst would, but cheaper */"),
    ],
)
def test_a_core_file_that_keeps_the_rules_passes(file: str, text: str) -> None:
    """Includes downwards and sideways, and the listed exceptions, are fine."""
    assert list(check_core_file(CORE / file, text)) == []


def test_the_binding_sees_only_the_face_of_the_core() -> None:
    """A private header of the core is refused in the binding, the public one is not."""
    path = ROOT / "binding" / "module.c"
    assert list(check_binding_file(path, '#include "procession.h"\n#include "codec.h"')) == []
    assert len(list(check_binding_file(path, '#include "lane.h"'))) == 1


def test_a_long_function_and_unfinished_work_are_named_with_their_lines() -> None:
    """The complaint has the line at which the function begins, or the mark stands."""
    body = "    x++;\n" * 70
    text = f"int x;\n\nvoid grow(void) {{\n{body}}}\n/* {'TO' + 'DO'}: shrink */\n"
    found = list(check_text(CORE / "lane.c", text))
    assert [complaint.split(":")[1] for complaint in found] == ["75", "3"]


def test_a_function_whose_brace_stands_below_is_measured_too() -> None:
    """Both ways of placing the opening brace are functions."""
    body = "    x++;\n" * 70
    text = f"static PyObject *\ngrow(PyObject *self)\n{{\n{body}}}\n"
    assert len(list(check_text(ROOT / "binding" / "module.c", text))) == 1
