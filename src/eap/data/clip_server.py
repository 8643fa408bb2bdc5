"""Imported once by the server that the processes of `eap.data.clip_pool` are forked from: what they share.

dlib's predictor takes 100 MB and half a second to load: here it lies in memory once, however many processes read it.
"""

from contextlib import suppress

from eap.data.faces import load_models
from eap.stage import StageError

with suppress(StageError):  # an absent model is told by the stages, before their first clip
    load_models()
