"""Reports: what a search hands out. The networks' files, the boundary as JSON and as a table, a picture."""
