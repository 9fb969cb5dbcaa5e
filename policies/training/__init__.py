"""Scripts that train the models of ``policies/models``. They run in .venv-train: ``make train``."""
