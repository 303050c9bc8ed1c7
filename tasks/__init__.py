"""The things to learn: training, evaluation, prediction."""

from tasks.common.offline import stay_offline

stay_offline()  # before any library that would report somewhere is imported
