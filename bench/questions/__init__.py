"""One module a question; each says what it measures and why the comparison is fair."""
