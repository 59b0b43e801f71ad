"""Pool: tasks to worker processes, each ending exactly once.  docs/design/pool.md is the map."""
