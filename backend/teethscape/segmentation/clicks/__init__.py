"""Masks by clicks: points and boxes on a photo become the mask of one tooth."""
