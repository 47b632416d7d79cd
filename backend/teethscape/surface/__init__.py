"""From views with known cameras to surfaces: NeuS, GS-Pull and a grid, behind one interface."""
