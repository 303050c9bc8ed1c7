"""What every room of tasks shares: the task's and its output's interface, errors, the terminal."""
