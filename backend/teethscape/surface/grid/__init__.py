"""A surface without torch: a signed distance on a grid, solved for masks and normals of a few views."""
