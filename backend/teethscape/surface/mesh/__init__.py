"""From fields to meshes that people can use: marching cubes, cleaning, remeshing, teeth, checks."""
