"""Readers: montages, folders of rendered views, Blender's and COLMAP's data sets, DTU."""
