"""What the four packages offer to users, and that README and examples need nothing else.

A name that goes or changes breaks somebody's script: take it out of this list on purpose or not at all.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "prototxt_gen": """
        ArchitectureError Backbone CaffeError Decoder FileError FormatError LayerParameter NetParameter
        NetworkError NotInstalledError Part Pyramid SolverParameter Stage Summary Unit UnsupportedError
        WeightsError __version__ fingerprint generate generate_text insert_splits label_size
        parse_architecture parts read_prototxt read_solver select_phase solver stock_weights summarize
        to_stock to_text upgrade upgrade_solver write_prototxt
    """,
    "converters": """
        Engine Session SolverState Verification advise apply_mapping batch_norm_eps caffe_interp change_dialect
        check_target compare_with_torch export_onnx for_target from_state_dict from_torch list_targets
        load_mean load_weights make_engine merge_batchnorm propose_mapping read_mapping read_ncnn
        read_network read_onnx read_solver_state read_state_dict read_target read_weights save_mean
        save_weights to_state_dict to_torch total_loss undo_mapping upgrade_caffemodel verify weights_of
        write_mapping write_weights
    """,
    "search": """
        AccuracyTable BackboneSpace Cut Dataset DecoderSpace Ending KnownResult LatencyTable OneShot Overview
        PartialOrderPruning Ponas PonasLayer PonasSpace Schedule Tiered TieredPruning TieredSpace
        TieredStage Training boundary_table choose chosen_boundary cityscapes counts_line cut_space digits glyphs
        image_folder load_data next_networks parse_space publish read_known read_question run_ponas
        run_search run_tiered run_worker search_ponas search_tiered write_report
    """,
    "caffe_zoo": """
        Card Preprocessing WeightsFile card classify create_model list_models load_network segment
    """,
}


@pytest.mark.parametrize("package", NAMES)
def test_public_names(package):
    module = import_module(package)
    assert module.__all__ == NAMES[package].split()
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted((ROOT / "examples").glob("*.py"))], ids=lambda p: p.name)
def test_readme_and_examples_import_from_the_packages_alone(path):
    lines = re.findall(rf"^(?:from|import) (?:{'|'.join(NAMES)})\b.*", path.read_text("utf-8"), re.MULTILINE)
    assert lines and not [line for line in lines if not re.match(r"from \w+ import ", line)]
