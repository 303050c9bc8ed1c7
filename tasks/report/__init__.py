"""report.html: a run's page, written from the files in the run's folder alone."""
