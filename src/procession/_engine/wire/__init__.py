"""Objects on their way to other processes: pickled bytes, and the descriptors that go along."""
