"""Which task is in whose hands: the parent's table of messages, and what a death makes of it.

A ticket is a message's number in the task queue; the queue counts, so ticket and number are
one.  A ticket stands in the table from before its message is put until the last of its tasks
has ended.  A worker's claim, kept by the queue in shared memory, names the ticket that it took
last; its word on the board says how far it got.  So after a death:

- a ticket that is in the table and that nobody took is still in the queue: nothing is lost;
- of the dead worker's ticket, tasks whose results came have ended;
- tasks before the place on the board have run, their results died with the worker: run again;
- the task at that place is to blame: run again, alone, if the call's retries allow it;
- tasks behind it had not begun: others run them.
"""

from __future__ import annotations

from procession._engine.errors import WorkerDied
from procession._engine.pool.calls import part_of
from procession._engine.pool.steps import TicketBook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from procession._engine.errors import Attempt, ProcessError, TaskTimeoutError
    from procession._engine.pool.steps import Chunk

__all__ = ["Ledger", "split_after_death"]


class Ledger(TicketBook):
    """Tickets and their chunks.  All access is under the engine's lock.

    ``chunks`` is also where the collector looks up what a result belongs to, in one step.
    ``ended`` is the number of tasks that ended and are in it no more.  Of ``unseen`` calls of
    the short way it has only the chunks: asking one of these for its call makes that known to
    the engine, and ``show_calls`` does so for all.
    """

    def __len__(self) -> int:
        return len(self.chunks)

    def chunk(self, ticket: int) -> Chunk | None:
        """Return what the ticket stands for, None when all of it has ended."""
        return self.chunks.get(ticket)

    def enter(self, chunks: Sequence[Chunk]) -> range:
        """Give a ticket to each chunk; to be put into the task queue next, in this order."""
        tickets = range(self.next, self.next + len(chunks))
        self.next = tickets.stop  # first: whatever interrupts, retract_unput() finds them
        for ticket, chunk in zip(tickets, chunks, strict=True):
            self.chunks[ticket] = chunk
            chunk.ticket = ticket
            chunk.call.tasks_open += chunk.size
            chunk.call.open.add(ticket)
        return tickets

    def enter_one(self, chunk: Chunk) -> int:
        """Give a ticket to one chunk, as above."""
        ticket, call = self.next, chunk.call
        self.next = ticket + 1
        self.chunks[ticket] = chunk
        chunk.ticket = ticket
        call.tasks_open += chunk.size
        call.open.add(ticket)
        return ticket

    def retract_unput(self) -> list[Chunk]:
        """Take back what was entered and, as putting failed, is not in the queue."""
        put = self.tasks.messages_put
        back = [self.leave(ticket) for ticket in range(put, self.next) if ticket in self.chunks]
        self.next = put
        return back

    def leave(self, ticket: int) -> Chunk:
        """All tasks of the ticket have ended, or got other tickets."""
        chunk: Chunk = self.chunks[ticket]
        chunk.call.open.discard(ticket)
        chunk.call.tasks_open -= chunk.size
        del self.chunks[ticket]
        self.ended += chunk.delivered
        return chunk

    def count(self) -> tuple[int, int]:
        """Return how many tasks have ended, and how many have not that have a ticket."""
        ended, under_way = self.ended, 0
        for chunk in tuple(self.chunks.values()):
            delivered = chunk.delivered
            ended += delivered
            under_way += chunk.size - delivered
        return ended, under_way

    def clear(self) -> None:
        """Forget everything: the calls were ended otherwise."""
        self.chunks.clear()

    def held_by_dead(self, slot: int, living: Sequence[int]) -> int | None:
        """Return the ticket that died in the hands of the worker in ``slot``, None for none.

        A worker may die between announcing a take and taking; somebody else then takes
        that message.  Who took it is asked in this order: is it still in the queue, does a
        living worker claim it, did its results come?  The last is for the caller: it must
        take in all results after this call, and only then look into the table.
        """
        taken = self.tasks.messages_taken
        first, count = self.tasks.claimed(slot)
        if not count or first >= taken:
            return None
        claims = (self.tasks.claimed(other) for other in living)
        return None if any(held and begin == first for begin, held in claims) else int(first)

    def claim(self, slot: int) -> int:
        """Return the ticket that a living worker took last, -1 for none."""
        first, count = self.tasks.claimed(slot)
        return int(first) if count else -1

    def forget_claim(self, slot: int) -> None:
        """The slot will be another worker's."""
        self.tasks.clear_claim(slot)


def split_after_death(
    chunk: Chunk, place: int, attempt: Attempt, overrun: TaskTimeoutError | None = None
) -> tuple[list[Chunk], tuple[int, ProcessError] | None]:
    """Decide what happens to the tasks of a chunk whose worker died at ``place``.

    ``overrun``: why we killed the worker ourselves, if so.  Returns the chunks to send again,
    and (index, error) of a task that has had its chances.
    """
    ended, size = chunk.delivered, chunk.size
    if place < ended:
        return ([part_of(chunk, ended, size, chunk.attempts)] if ended < size else []), None
    again = [part_of(chunk, ended, place)] if ended < place else []
    behind = [part_of(chunk, place + 1, size)] if place + 1 < size else []
    attempts = (*chunk.attempts, attempt)
    call = chunk.call
    if overrun is not None:
        return [*again, *behind], (chunk.first + place, overrun)
    if len(attempts) <= call.retries:
        return [*again, part_of(chunk, place, place + 1, attempts), *behind], None
    index = chunk.first + place
    error = WorkerDied(
        call.arguments(chunk.items[place]), None if call.is_single_task else index, attempts
    )
    return [*again, *behind], (index, error)
