"""From a photograph to tooth instances, jaws and the view it shows."""
