"""The building behind the doors: everything that runs.  Private as a whole.

docs/design/layers.md says which module may import which.
"""
