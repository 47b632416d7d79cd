"""Segmented intra-oral scans into closed crowns per tooth, both jaws in one frame."""
