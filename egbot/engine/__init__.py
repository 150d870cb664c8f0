"""Owns the language model: loading, KV caches, guidance and sampling. It does not know Python, tests or sandboxes."""
