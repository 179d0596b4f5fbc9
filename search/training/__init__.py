"""Training: the images, the schedule, and from a candidate to its accuracy. Imports nothing: the files bring torch."""
