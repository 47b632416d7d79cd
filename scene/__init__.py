"""What Teethscape makes in Blender: collections, teeth, cameras, materials."""
