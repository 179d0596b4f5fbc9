"""Studies: a search kept on disk, which goes on after its process was stopped. Imports nothing: optuna loads slowly."""
