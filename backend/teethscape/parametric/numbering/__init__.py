"""FDI numbers for arbitrary tooth instances: moments propose, outlines decide.

An occlusal photo shows a whole arch, so counts, gaps and sizes propose its numbers
(:mod:`.occlusal`). A bite view may begin at any tooth; a search over first cameras
proposes its numbers (:mod:`.bite_search`). Then all views are fitted jointly to the
outlines, and rival numberings are weighed against the best one (:mod:`.search`).
What is left between the best and the next decides whether the set is trusted (:mod:`.number`).
"""
