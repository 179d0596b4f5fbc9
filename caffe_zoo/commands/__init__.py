"""The commands of `dongfeng`, one file each; `caffe_zoo.cli` imports the one that was asked for.

A command's module has `EXAMPLE` (what `--help` ends with), `add_arguments(parser)` and `run(args)`, which returns the
exit status. What several commands share: `options.py` (arguments), `networks.py` (what a network argument means) and
`paths.py` (which files are read and written).
"""
