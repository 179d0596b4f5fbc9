"""Searching architectures under a latency measured on the target."""

from typing import TYPE_CHECKING

from prototxt_gen.lazy import lazy_names

if TYPE_CHECKING:
    from search.cutting import Cut, cut_space
    from search.latency import LatencyTable
    from search.latency.fitting import next_networks
    from search.latency.overview import Overview
    from search.report.boundary import boundary_table, counts_line, write_report
    from search.report.publishing import publish
    from search.spaces import BackboneSpace, DecoderSpace, PonasLayer, PonasSpace, TieredSpace, TieredStage, parse_space
    from search.strategies.accuracy_table import AccuracyTable
    from search.strategies.choosing import choose, chosen_boundary
    from search.strategies.ending import Ending
    from search.strategies.partial_order import PartialOrderPruning
    from search.strategies.ponas import Ponas
    from search.strategies.tiered import TieredPruning
    from search.study.known import KnownResult, read_known
    from search.study.loop import read_question, run_search, run_worker
    from search.study.ponas import run_ponas, search_ponas
    from search.study.tiered import run_tiered, search_tiered
    from search.training.dataset import Dataset
    from search.training.digits import digits
    from search.training.glyphs import glyphs
    from search.training.image_folder import image_folder
    from search.training.loading import load_data
    from search.training.one_shot import OneShot
    from search.training.scenes import cityscapes
    from search.training.schedule import Schedule
    from search.training.tiered import Tiered
    from search.training.trainer import Training
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AccuracyTable": "search.strategies.accuracy_table",
            "BackboneSpace": "search.spaces",
            "Cut": "search.cutting",
            "Dataset": "search.training.dataset",
            "DecoderSpace": "search.spaces",
            "Ending": "search.strategies.ending",
            "KnownResult": "search.study.known",
            "LatencyTable": "search.latency",
            "OneShot": "search.training.one_shot",
            "Overview": "search.latency.overview",
            "PartialOrderPruning": "search.strategies.partial_order",
            "Ponas": "search.strategies.ponas",
            "PonasLayer": "search.spaces",
            "PonasSpace": "search.spaces",
            "Schedule": "search.training.schedule",
            "TieredPruning": "search.strategies.tiered",
            "Tiered": "search.training.tiered",
            "TieredSpace": "search.spaces",
            "TieredStage": "search.spaces",
            "Training": "search.training.trainer",
            "boundary_table": "search.report.boundary",
            "choose": "search.strategies.choosing",
            "chosen_boundary": "search.strategies.choosing",
            "cityscapes": "search.training.scenes",
            "counts_line": "search.report.boundary",
            "cut_space": "search.cutting",
            "digits": "search.training.digits",
            "glyphs": "search.training.glyphs",
            "image_folder": "search.training.image_folder",
            "load_data": "search.training.loading",
            "next_networks": "search.latency.fitting",
            "parse_space": "search.spaces",
            "publish": "search.report.publishing",
            "read_known": "search.study.known",
            "read_question": "search.study.loop",
            "run_ponas": "search.study.ponas",
            "run_search": "search.study.loop",
            "run_tiered": "search.study.tiered",
            "run_worker": "search.study.loop",
            "search_ponas": "search.study.ponas",
            "search_tiered": "search.study.tiered",
            "write_report": "search.report.boundary",
        },
    )

__all__ = [
    "AccuracyTable",
    "BackboneSpace",
    "Cut",
    "Dataset",
    "DecoderSpace",
    "Ending",
    "KnownResult",
    "LatencyTable",
    "OneShot",
    "Overview",
    "PartialOrderPruning",
    "Ponas",
    "PonasLayer",
    "PonasSpace",
    "Schedule",
    "Tiered",
    "TieredPruning",
    "TieredSpace",
    "TieredStage",
    "Training",
    "boundary_table",
    "choose",
    "chosen_boundary",
    "cityscapes",
    "counts_line",
    "cut_space",
    "digits",
    "glyphs",
    "image_folder",
    "load_data",
    "next_networks",
    "parse_space",
    "publish",
    "read_known",
    "read_question",
    "run_ponas",
    "run_search",
    "run_tiered",
    "run_worker",
    "search_ponas",
    "search_tiered",
    "write_report",
]
