"""The commands, one module each: options in, exit code out. The work is done elsewhere."""
