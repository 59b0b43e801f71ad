"""Types of the native binding: messages through shared memory, on Linux.

One object per process and end; any number of processes may hold one.  Every
method that waits releases the GIL, wakes for Ctrl-C, and takes its time-out in
seconds (``None`` = for ever).

``_engine/native.py`` has the digest of this file, and an extension that of the one
which it was built with: where they differ it is refused.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, final

from typing_extensions import Buffer as SupportsBuffer
from typing_extensions import Self

INTERFACE: Final[str]
KILL_POINTS: Final[tuple[str, ...]]

class Queue:
    """A growing multi-producer, multi-consumer queue in anonymous shared memory.

    ``Queue(maxsize=0)`` makes one; ``Queue(descriptors=(memory, doorbell))``
    attaches to one (takes the descriptors over).  May be subclassed.
    """

    def __init__(self, maxsize: int = 0, *, descriptors: tuple[int, int] | None = None) -> None: ...
    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None: ...
    def put_nowait(self, obj: Any) -> None: ...
    def get(self, block: bool = True, timeout: float | None = None) -> Any: ...
    def get_nowait(self) -> Any: ...
    def put_many(
        self, objs: Sequence[Any], block: bool = True, timeout: float | None = None
    ) -> int:
        """Put all, in order, not interleaved with others while there is room.

        Returns the index of the first message (messages of a queue are numbered
        from 0).  Raises queue.Full after a time-out with ``error.put`` = how many
        messages were put.  An object that cannot be pickled raises before
        anything is put.
        """
    def get_many(
        self,
        max_items: int,
        block: bool = True,
        timeout: float | None = None,
        *,
        claim: int | None = None,
    ) -> list[Any]:
        """Take at least one and at most max_items messages that are there.

        With ``claim`` (0 to 255) the range of message indices that was taken is
        written into that claim of the queue before it is taken, so that after the
        death of this process others can read what it held.
        """
    def claimed(self, claim: int) -> tuple[int, int]:
        """(first index, count) of the last range taken under this claim.

        count is 0 when nothing was taken.  Compare with messages_taken: a claim
        whose range lies at or above it was announced but never taken.
        """
    def clear_claim(self, claim: int) -> None: ...
    @property
    def messages_put(self) -> int: ...
    @property
    def messages_taken(self) -> int: ...
    @property
    def bytes_put(self) -> int:
        """Bytes of payloads and buffers that were put through this object."""
    @property
    def bytes_taken(self) -> int: ...
    @property
    def maxsize(self) -> int: ...
    def qsize(self) -> int: ...
    def empty(self) -> bool: ...
    def full(self) -> bool: ...
    def task_done(self) -> None: ...
    def join(self, timeout: float | None = None) -> bool: ...
    def close(self) -> None:
        """Close in this process; later use raises ValueError."""
    @property
    def closed(self) -> bool: ...
    def fileno(self) -> int:
        """A descriptor that is readable while the queue has messages."""
    def descriptors(self) -> tuple[int, int]:
        """(memory, doorbell): what another process needs to attach; still owned here."""
    def pair(self, other: Queue) -> None:
        """Keep the memory of both warm until somebody has waited at either for a second.

        For queues of which at least one always has a waiting reader while nothing happens.
        """
    def memory(self) -> dict[str, int]:
        """Bytes: 'committed', 'warm' (free but mapped), 'blocks' in use, ..."""

class Channel:
    """One end of a pipe: message channel through shared memory, end of file by pipe(2)."""

    @classmethod
    def pair(cls, duplex: bool = True) -> tuple[Self, Self]: ...
    @classmethod
    def attach(cls, descriptors: tuple[int, int, int], end: int) -> Self:
        """descriptors = (memory, in, out), -1 for a missing direction; takes them over."""
    def send(self, obj: Any) -> None: ...
    def recv(self) -> Any: ...
    def send_bytes(self, buf: SupportsBuffer, offset: int = 0, size: int | None = None) -> None: ...
    def recv_bytes(self, maxlength: int | None = None) -> bytes: ...
    def recv_bytes_into(self, buf: SupportsBuffer, offset: int = 0) -> int: ...
    def poll(self, timeout: float | None = 0.0) -> bool: ...
    def fileno(self) -> int:
        """A descriptor that is readable while a message or the end of file is there."""
    def close(self) -> None: ...
    @property
    def closed(self) -> bool: ...
    @property
    def readable(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    @property
    def end(self) -> int: ...
    def descriptors(self) -> tuple[int, int, int]: ...
    def weaken(self) -> None:
        """Keep this end without counting as a holder of it, until it is next used.

        For a fork's copies of ends that the child was not given: they must not
        keep the other side from seeing the end of file.
        """
    def memory(self) -> dict[str, int]:
        """As Queue.memory."""

@final
class Buffer:
    """A block of shared memory received with a message (buffer protocol, writable).

    The block goes back to the arena when the last view of it is gone.
    """

    @property
    def nbytes(self) -> int: ...

@final
class Cells:
    """Shared memory of some hundred locks and their kin; the same memory is the same object."""

    def __new__(cls, descriptor: int) -> Cells:
        """Attach to the cells of another process (takes the descriptor over)."""
    def descriptors(self) -> tuple[int]:
        """(memory,): what another process needs to attach; still owned here."""

class Semaphore:
    """A lock or semaphore with the interface of the standard library's SemLock.

    ``has_holder``: a lock, freed by the death of the process that holds it.  ``place`` opens
    one that was made before instead of making it; value and maxvalue are then what they are.
    """

    SEM_VALUE_MAX: Final[int]

    def __init__(
        self,
        kind: int = 1,
        value: int = 1,
        maxvalue: int = 1,
        has_holder: bool = False,
        *,
        place: tuple[Cells, int] | None = None,
    ) -> None: ...
    def acquire(self, block: bool = True, timeout: float | None = None) -> bool: ...
    def release(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(self, *exc_info: object) -> None: ...
    def _count(self) -> int: ...
    def _is_mine(self) -> bool: ...
    def _get_value(self) -> int: ...
    def _is_zero(self) -> bool: ...
    def _after_fork(self) -> None: ...
    @property
    def kind(self) -> int: ...
    @property
    def maxvalue(self) -> int: ...
    @property
    def handle(self) -> int: ...
    @property
    def name(self) -> None: ...
    @property
    def has_holder(self) -> bool: ...
    @property
    def abandoned(self) -> bool:
        """Whether its holder had died with it, when it was last acquired here."""
    @property
    def place(self) -> tuple[Cells, int]: ...

class Flag:
    """What an Event is made of."""

    def __init__(self, *, place: tuple[Cells, int] | None = None) -> None: ...
    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    @property
    def place(self) -> tuple[Cells, int]: ...

class ParkingLot:
    """Who waits for a condition; notes are numbers for those who hold its lock."""

    def __init__(self, *, place: tuple[Cells, int] | None = None) -> None: ...
    def wait(self, lock: Any, timeout: float | None = None) -> bool:
        """Release the lock (a SemLock) wholly, wait to be notified, acquire it as before."""
    def notify(self, n: int, /) -> int:
        """Wake the n that have waited longest and are alive; how many there were."""
    def waiters(self) -> int: ...
    def note(self, which: int, /) -> int: ...
    def set_note(self, which: int, value: int, /) -> None: ...
    @property
    def place(self) -> tuple[Cells, int]: ...

def arm_kill_point(name: str, countdown: int = 1) -> None:
    """For tests: SIGKILL this process when it passes the named point for the countdown-th time."""

def disarm_kill_points() -> None: ...
def wait(objects: Iterable[Any], timeout: float | None, /) -> list[Any]:
    """Those that are ready, of queues, channels, descriptors and what has one, in their order."""

def _set_fallback(fallback: Callable[[Any, Callable[[Any], object]], bytes] | None, /) -> None:
    """Set who is asked when the pickler refuses an object, or None for nobody."""

def _set_main_by_value(by_value: bool, /) -> None:
    """Set whether an object whose pickle names the module __main__ goes to the fallback."""

@final
class ResultLine:
    """An iterator's results until they are taken; ``ordered``: in the order of their indices."""

    refill_at: int
    """When so many results are taken, who takes is to look for room."""

    def __init__(self, *, ordered: bool) -> None: ...
    def put(self, index: int, value: Any, /) -> None:
        """Put in the result of a task; in an ordered line a second one is ignored."""
    def put_many(self, first: int, values: list[Any], /) -> None:
        """Put in the results of consecutive tasks."""
    def close(self) -> None:
        """Ignore results from now on; those that are there can be taken."""
    def take(self) -> Any:
        """Take the first result.  Raises LookupError when none is there."""
    def __len__(self) -> int: ...
    @property
    def taken(self) -> int:
        """How many results were taken."""

class ResultIterator:
    """A base class: takes what is in ``line``, and calls its ``next()`` for all else.

    That is: to wait, to look for room (``refill_at``), and for a value of the class ``failure``.
    """

    def __init__(self, line: ResultLine, failure: type) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

class PendingResult:
    """A base class: whose result it is."""

    _pool: Any
    _engine: Any
    _call: Any

    def get(self, timeout: float | None = None) -> Any:
        """Return what the call returned, or raise what it raised."""
    def _has_ended(self) -> bool: ...

class InputIterator:
    """The items of ``source``; those that somebody else could change as ``keep(item)``.

    An item whose keeping raised comes again.
    """

    def __init__(self, source: Iterator[Any], keep: Callable[[Any], Any]) -> None: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> Any: ...

class Chunk:
    """Consecutive tasks of a call that travel as one message, and how far they have come."""

    delivered: int
    kept: Any
    ran: int
    seconds: float
    ticket: int

    def __init__(
        self,
        call: Any,
        first: int,
        items: Sequence[Any],
        sink: Any,
        attempts: tuple[Any, ...] = (),
    ) -> None: ...
    def deliver(self, offset: int, values: Sequence[Any], seconds: float, /) -> None:
        """Take in results of the tasks from ``offset`` on, once each."""
    @property
    def call(self) -> Any: ...
    @property
    def items(self) -> Sequence[Any]: ...
    @property
    def attempts(self) -> tuple[Any, ...]: ...
    @property
    def value(self) -> Any: ...
    @property
    def first(self) -> int: ...
    @property
    def size(self) -> int: ...

class WorkLoop:
    """What a pool's worker does for every message and task; the rest is its subclass'."""

    interruptible: bool
    bounded: bool

    def __init__(
        self,
        tasks: Queue,
        results: Queue,
        methods: dict[bytes, Any],
        words: memoryview,
        slot: int,
        /,
    ) -> None: ...
    def run(self, most_messages: int | None, /) -> None: ...

class SingleCall:
    """The fields of a call of one task, None, 0 or False at first."""

    number: Any
    function: Any
    pace: Any
    retries: Any
    recipe: Any
    open: Any
    item: Any
    returned: Any
    value: Any
    error: Any
    failed: Any
    callback: Any
    error_callback: Any
    timeout: Any
    target: Any
    kind: Any
    changed: Any
    tasks_open: int
    interrupts: int
    waiting: bool
    exhausted: bool
    abandoned: bool
    ended: bool
    finished: bool
    begun: bool
    has_callback: bool
    has_keywords: bool

class TicketBook:
    """The table of messages on their way, and the short way of calls of one plain task."""

    next: int
    ended: int
    is_open: bool

    def __init__(self, tasks: Any) -> None: ...
    @property
    def tasks(self) -> Any: ...
    @property
    def chunks(self) -> dict[int, Any]: ...
    @property
    def unseen(self) -> int:
        """How many calls of the short way are under way and not in ``calls``."""
    def lay_short_way(
        self,
        acquire: Any,
        release: Any,
        calls: dict[int, Any],
        numbers: Iterator[int],
        take_back: Callable[[Any, BaseException], object],
        result_type: type,
        /,
    ) -> None:
        """Say where calls are entered, and what to call for one whose message was not put."""
    def expect(
        self, function: Any, latest: SingleCall, recipe_text: bytes, is_of_main: bool, /
    ) -> None:
        """Say which calls go the short way: those of ``function``, as the latest one."""
    def apply_async(self, pool: Any, engine: Any, function: Any, arguments: Any, /) -> Any:
        """Begin a call the short way; None where it does not fit it."""
    def show_calls(self) -> None:
        """Enter the calls of the short way that are under way into ``calls``."""

def take_results(
    queue: Queue,
    book: TicketBook,
    append: Callable[[Any], object],
    most: int,
    timeout: float | None,
    /,
) -> int:
    """Take results from the queue to where they belong; returns the number of messages."""

def run_tasks(
    function: Callable[..., Any], items: Iterator[Any], values: list[Any], spread: bool, /
) -> None:
    """Append ``function(item)`` to ``values``, or ``function(*item)``, for each item.

    Raises what a task raises, also StopIteration; the iterator then stands behind that task.
    """

def file_holds(fd: int, offset: int, data: SupportsBuffer, /) -> bool:
    """Whether the file has these bytes at this offset; False when it cannot be read."""

def is_plain(obj: Any, /) -> bool:
    """Whether a message of this object cannot fail to be read: built-in types, nothing long."""
