"""The stages of a reconstruction: each reads the case folder, adds to it, and can be resumed."""
