"""Where numbers go beside metrics.csv: TensorBoard, Weights & Biases and MLflow, under the same names in each."""
