"""A search from a script: a small space, a latency to keep, a handful of trainings."""

from converters import make_engine
from search import BackboneSpace, Schedule, boundary_table, digits, run_search, write_report

space = BackboneSpace(
    depths=((1, 2), (1, 2)),  # fewest and most blocks of each stage
    widths=(8, 16, 32, 64),
    stem=(8, 16),
    classes=10,
    input_shape=(1, 3, 32, 32),
)
data, engine, schedule = digits((32, 32)), make_engine("torch", threads=1), Schedule(epochs=3)
search = run_search(space, data, "runs/script", engine, trials=8, interval=(0.0, 5.0), schedule=schedule)
print(boundary_table(write_report(search, "runs/script", engine, data, schedule)))
