"""The main modules of measuring processes.

What a main module imports is what `spawn` and `forkserver` import again for each child, so
these hold nothing but what their name says.
"""
