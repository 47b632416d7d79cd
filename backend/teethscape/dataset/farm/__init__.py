"""Rendering many cases with persistent Blender processes, packing and checking them.

One case is the unit of everything: it is rendered into a scratch folder, its files are
put into the store one by one, and its manifest ``cases/<uid>.json`` comes last. Only what
has a manifest counts, so a kill at any moment leaves nothing that is trusted by mistake.
"""
