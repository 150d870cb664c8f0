"""Small helpers for everyday programs."""
