"""The code of a registered model: MLflow runs this file when the model is loaded, and no pickle.

``mlflow.pyfunc.load_model("models:/eap-base/1").predict(table)`` makes one video per row of a table with the columns
image, audio and out (paths) and, if wanted, intensity.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from eap.inference.synthesize import Request, synthesize


class TalkingFace(PythonModel):
    """A picture and a voice to a video."""

    def load_context(self, context: Any) -> None:
        """Remember where the weights lie."""
        self.checkpoint = Path(context.artifacts["model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """Write a video per row."""
        made = []
        for row in model_input.to_dict("records"):
            gain = row.get("intensity")
            request = Request(
                self.checkpoint, Path(row["image"]), Path(row["audio"]), Path(row["out"]),
                1.0 if gain is None or pd.isna(gain) else float(gain),
            )  # fmt: skip
            done = synthesize(request, lambda note: None, lambda *_: None)
            made.append({"video": row["out"], "n_frames": int(done.metrics["n_frames"])})
        return pd.DataFrame(made)


set_model(TalkingFace())
