"""Pure views of outcomes and traces: Markdown, HTML, terminal. They change nothing and run nothing."""
