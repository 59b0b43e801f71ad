"""Measurements: how fast procession is, beside the standard library and its other rivals."""
