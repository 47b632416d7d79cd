"""Generated views of a jaw laid onto the arch that the parametric fit has found."""
