"""Market data from its sources, normalised and paced onto ``md.v1``, with the gate's facts on ``ref.v1``."""
