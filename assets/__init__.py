"""Software-defined assets: what exists after a run. Logic lives in vixen_pipeline's services."""
