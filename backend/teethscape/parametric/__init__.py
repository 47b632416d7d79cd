"""The default engine: a statistical tooth model fitted to the five photos."""
