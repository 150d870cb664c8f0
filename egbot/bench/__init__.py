"""Measurements that anyone can repeat: one command, one table, one JSON object."""
