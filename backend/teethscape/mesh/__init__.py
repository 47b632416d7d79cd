"""Mesh files, export formats and measurements on meshes."""
