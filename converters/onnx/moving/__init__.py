"""Values whose numbers only move: reshaped, transposed, sliced, joined; and how Caffe writes them out."""
