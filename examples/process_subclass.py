"""A process as a class: its state is set in __init__, its work is run().

Run it: ``python process_subclass.py [fork | spawn | forkserver]``
"""

import hashlib
import sys

import procession as multiprocessing


class Digester(multiprocessing.Process):
    """Digests texts that come through a pipe, until there are no more."""

    def __init__(self, algorithm):
        """Take the name of one of hashlib's algorithms."""
        super().__init__(name=f"digester-{algorithm}", daemon=True)
        self.algorithm = algorithm
        self.ours, self.theirs = multiprocessing.Pipe()

    def run(self):
        """Work in the child."""
        while (text := self.theirs.recv()) is not None:
            self.theirs.send(hashlib.new(self.algorithm, text.encode()).hexdigest())

    def digest(self, text):
        """Return the digest of a text; called in the parent."""
        self.ours.send(text)
        return self.ours.recv()

    def finish(self):
        """Let the child end; called in the parent."""
        self.ours.send(None)
        self.join()


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    digester = Digester("sha256")
    digester.start()
    for text in ("Pool", "Process", "Queue", "Pipe"):
        print(f"{text:8} {digester.digest(text)[:16]}")
    digester.finish()
    print(f"{digester.name} ended with exit code {digester.exitcode}")
