"""Be called before each instruction of some files: to kill a process there, or to raise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

Hook = Callable[[CodeType, int], None]
"""Gets the code and the offset of the instruction; what it raises is raised there."""


@contextmanager
def before_each(part_of_path: str, hook: Hook) -> Iterator[None]:
    """Call ``hook`` in code of files whose path has this part, in the calling thread."""
    # From 3.12 on tracing stands on monitoring, and 3.13.0 forgets to trace some instructions.
    watch = _monitor if sys.version_info >= (3, 12) else _trace
    with watch(part_of_path, hook):
        yield


@contextmanager
def _trace(part_of_path: str, hook: Hook) -> Iterator[None]:
    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            hook(frame.f_code, frame.f_lasti)
        return local

    def enter(frame: FrameType, _event: str, _argument: Any) -> Any:
        if part_of_path not in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return local

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _monitor(part_of_path: str, hook: Hook) -> Iterator[None]:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
    tool, event = monitoring.OPTIMIZER_ID, monitoring.events.INSTRUCTION

    def call(code: CodeType, offset: int) -> None:
        if part_of_path in code.co_filename:
            hook(code, offset)

    monitoring.use_tool_id(tool, "tests")
    try:
        monitoring.register_callback(tool, event, call)
        monitoring.set_events(tool, event)
        yield
    finally:
        monitoring.set_events(tool, 0)
        monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
