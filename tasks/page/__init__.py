"""A page that runs an exported network in the browser: its files (site/), how they are put together, a local server."""
