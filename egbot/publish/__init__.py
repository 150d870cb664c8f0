"""From a run.json to what people see on GitHub: suggestions, pull requests, comments, checks."""
