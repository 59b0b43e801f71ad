"""Two processes throw a ball through a pipe, until one says that the game is over.

Run it: ``python pipe_ping_pong.py [fork | spawn | forkserver]``
"""

import sys
import time

import procession as multiprocessing

THROWS = 10_000


def play(end):
    while (ball := end.recv()) is not None:
        end.send(ball + 1)


if __name__ == "__main__":
    if sys.argv[1:]:
        multiprocessing.set_start_method(sys.argv[1])
    ours, theirs = multiprocessing.Pipe()
    player = multiprocessing.Process(target=play, args=(theirs,))
    player.start()

    ours.send(0)  # the first throw also waits until the player is there
    ball = ours.recv()
    started = time.perf_counter()
    for _ in range(THROWS):
        ours.send(ball)
        ball = ours.recv()
    elapsed = time.perf_counter() - started
    ours.send(None)  # the game is over
    player.join()
    print(f"the ball was hit {ball} times; {elapsed / THROWS * 1e6:.0f} microseconds a round trip")
    print(f"the player's exit code is {player.exitcode}")
