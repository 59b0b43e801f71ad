"""Processes: their classes, how each start method launches one, what it tells its parent."""
