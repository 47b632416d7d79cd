"""What surrounds teeth in a photograph, as meshes and colours: gums, palate, tongue, lips, tools."""
