"""The domain: tooth numbers, views, photos, cases and units."""
