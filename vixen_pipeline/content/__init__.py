"""System 2: content. From trained weights to pieces that are ready to publish.

Belongs here: planning, rendering, copy, the exam of new weights, pieces. Does not:
publishing, Dagster, pixels as such (vixen_pipeline.pictures), credentials (vixen_pipeline.safety).
"""
