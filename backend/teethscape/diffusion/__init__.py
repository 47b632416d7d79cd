"""TeethDreamer: four masked photos of a jaw become eight colour and eight normal views."""
