"""One module a question; each says what it measures and why the comparison is fair."""

ORDER = (
    "queue_messages",
    "queue_arrays",
    "queue_fan",
    "queue_batches",
    "pipe_messages",
    "round_trip",
    "wait_many",
    "process_start",
    "pool_start",
    "pool_tasks",
    "pool_latency",
    "pool_balance",
    "pool_arrays",
    "imap_stream",
    "thread_pool",
    "memory",
    "cost_depth",
    "cost_alive",
    "cost_processes",
)
"""The modules, in the order in which they are measured and reported."""
