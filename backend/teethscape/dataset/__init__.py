"""Synthetic photographs with exact labels, drawn from the tooth prior."""
