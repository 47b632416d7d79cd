"""The five photo slots: which file goes where, thumbnails, what is wrong."""
