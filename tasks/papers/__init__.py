"""Tables and figures of five papers: what they print, the command of each, and how to run them in miniature."""
