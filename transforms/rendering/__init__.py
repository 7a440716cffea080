"""Effects on pictures whose subject the network has found: the matte, what is done, the file."""
