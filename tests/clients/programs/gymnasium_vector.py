"""gymnasium's AsyncVectorEnv: environments in processes, observations in shared memory.

Needs: gymnasium numpy
"""

import sys
from functools import partial

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv


class Walk(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-100, 100, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, fails=False):
        self.fails = fails
        self.place = 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = 0.0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        if self.fails:
            raise ValueError("this environment fails")
        self.place += 1.0 if action else -1.0
        return np.full(3, self.place, np.float32), self.place, abs(self.place) >= 5, False, {}

    def set_place(self, place):
        self.place = place


def main(method):
    for shared in (True, False):
        envs = AsyncVectorEnv([Walk] * 3, context=method, shared_memory=shared)
        observations, _ = envs.reset(seed=1)
        assert observations.shape == (3, 3)
        for step in range(1, 5):
            observations, rewards, _, _, _ = envs.step(np.array([1, 0, 1]))
            assert observations[:, 0].tolist() == [step, -step, step], observations
            assert rewards.tolist() == [step, -step, step]
        envs.set_attr("place", 2.0)
        assert envs.get_attr("place") == (2.0, 2.0, 2.0)
        envs.call("set_place", 3.0)
        envs.close()
    broken = AsyncVectorEnv([Walk, partial(Walk, fails=True)], context=method)
    broken.reset()
    try:
        broken.step(np.array([1, 1]))
    except ValueError as error:
        assert "this environment fails" in str(error)
    else:
        raise AssertionError("the error was lost")
    finally:
        broken.close(terminate=True)


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
