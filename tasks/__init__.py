"""The things to learn: training, evaluation, prediction."""
