"""What a fitted network is written as: a pickle, a folder, an ONNX file."""

import copy

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from sktransfer.deep._onnx import export_onnx
from sktransfer.deep._persistence import load_estimator, save_estimator

__all__ = ["Stored"]


class Stored:
    """Saves, loads and exports; the estimator has `network_` and ``_predictions()``."""

    def __getstate__(self):
        """Leave the weights on the CPU, where any machine can unpickle them."""
        state = dict(super().__getstate__())
        if (
            "network_" in state
            and next(self.network_.parameters()).device.type != "cpu"
        ):
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
        return state

    def save(self, path):
        """Save the fitted estimator as a folder of safetensors and JSON, no pickle.

        Parameters
        ----------
        path : str or path-like
            Folder, made if need be.

        See Also
        --------
        load : The way back.
        """
        check_is_fitted(self, "network_")
        save_estimator(self, path)

    def to_onnx(self, path):
        """Write an ONNX file that maps prepared rows to predictions.

        Classifiers give probabilities, regressors values, in single precision. The
        number of rows is open. Metadata of the file hold the classes.

        Parameters
        ----------
        path : str or path-like
            The file.
        """
        check_is_fitted(self, "network_")
        if not getattr(self.network_.backbone, "masks", True):
            raise ValueError(
                "This model of speech takes the clips of each length by themselves, "
                "for its normalisation sees the whole clip; a file of a network cannot "
                "do that. Use a model with feat_extract_norm='layer'."
            )
        sample = np.zeros((2, *self.input_shape_), dtype=self.input_dtype_)
        export_onnx(
            self.network_, torch.from_numpy(sample), path, output=self._predictions()
        )

    @classmethod
    def load(cls, path, *, backbone=None):
        """Load what `save` wrote.

        Parameters
        ----------
        path : str or path-like
            The folder.
        backbone : nn.Module or callable, default=None
            The backbone that was used, if it was a module or function of your own: a
            module cannot be written without pickle. Its weights are replaced by the
            saved ones.

        Returns
        -------
        estimator
            Predicts as the saved one did.
        """
        return load_estimator(cls, path, backbone)
