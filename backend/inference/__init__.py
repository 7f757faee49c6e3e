"""Asking: many items at once for scores, one question of several models for the probe."""
