"""The GitHub Action's entry: a runner's environment in, the functions of the command line called."""
