"""Tables of devices without Python: networks and a script go there, the times that it wrote come back."""

from search.latency.far.export import Export, read_export
from search.latency.far.exporting import plan, write_export
from search.latency.far.importing import Imported, import_times

__all__ = ["Export", "Imported", "import_times", "plan", "read_export", "write_export"]
