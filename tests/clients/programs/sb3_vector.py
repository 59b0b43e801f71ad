"""Stable-Baselines3's SubprocVecEnv: environments by pipe, functions by cloudpickle.

Needs: stable-baselines3 gymnasium numpy
"""

import sys

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import SubprocVecEnv


def main(method):
    envs = SubprocVecEnv([lambda: gymnasium.make("CartPole-v1")] * 2, start_method=method)
    envs.seed(1)
    assert envs.reset().shape == (2, 4)
    for _ in range(50):
        observations, rewards, _, _ = envs.step(np.array([0, 1]))
        assert observations.shape == (2, 4)
        assert rewards.tolist() == [1.0, 1.0]
    assert len(envs.get_attr("spec")) == 2
    envs.close()


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
