"""Write a traced network to a file, one module for each format."""
