"""Published networks: known files, their licences, downloads, checks and safe conversion."""
