"""Queues, pipes and waiting.  Everything above takes them from ``ipc.transport``."""
