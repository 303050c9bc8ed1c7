"""The things to learn: training, evaluation, prediction."""

from tasks.offline import stay_offline

stay_offline()  # before any library that would report somewhere is imported
