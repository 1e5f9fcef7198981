"""The inference endpoint's own code: SDXL with a LoRA per call, each request worked on once.

Belongs here: what runs on Modal, importable without Modal and without a GPU. Does not: the Modal
app itself (../app.py), anything of the pipeline (it calls this over HTTP). Importing does nothing;
torch and its company are imported where they are used.
"""
