"""The line loop: candidates, their runs, the signal, the next line. It sees two ports, never torch and never Docker."""
