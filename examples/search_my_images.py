"""A search on your own images, from a script: a folder with a sub-folder for each class.

python examples/search_my_images.py photos/ runs/photos
"""

import sys

from converters import make_engine
from search import (
    BackboneSpace,
    Schedule,
    boundary_table,
    counts_line,
    image_folder,
    publish,
    run_search,
    write_report,
)

images, out, *trials = sys.argv[1:]  # how many networks to train may be said, too
data = image_folder(images, (64, 64))
space = BackboneSpace(
    depths=((1, 2), (1, 2), (1, 2)),  # fewest and most blocks of each stage
    widths=(16, 32, 64),
    stem=(8, 16),
    classes=len(data.classes),
    input_shape=(1, 3, 64, 64),
)
engine, schedule = make_engine("torch"), Schedule(epochs=8)  # what measures latency here; how each network is trained
search = run_search(space, data, out, engine, trials=int(*trials or [24]), schedule=schedule, progress=True)
print(boundary_table(write_report(search, out, engine, data, schedule)))
print(counts_line(search.counts()))
print(f"look at {publish(out).paths[0]}")
