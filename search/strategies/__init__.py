"""Strategies: what to train next. `strategy.py` says what each must offer; then one file a strategy."""
