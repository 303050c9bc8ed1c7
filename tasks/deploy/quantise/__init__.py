"""Static int8 for exported files: calibrated ranges, operators that run in int8, layers that stay in float."""
