import numpy as np

__all__ = ["effective_sample_size"]


def effective_sample_size(sample_weight):
    r"""Count the equally weighted rows that carry as much information (Kish).

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,)
        Weights >= 0, on any scale.

    Returns
    -------
    float
        Between 1 (one row has all the weight) and n_samples (all weights are equal).

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or all weights are zero.

    Notes
    -----
    :math:`(\sum_i w_i)^2 / \sum_i w_i^2` [1]_.

    References
    ----------
    .. [1] L. Kish. Survey Sampling. Wiley, 1965.

    Examples
    --------
    >>> from sktransfer.metrics import effective_sample_size
    >>> effective_sample_size([1, 1, 1, 1])
    4.0
    >>> effective_sample_size([1, 1, 0, 0])
    2.0
    """
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim != 1 or not len(weights):
        raise ValueError(
            f"sample_weight must be a vector of weights, got shape {weights.shape}."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            "sample_weight must be finite and >= 0 with at least one positive weight, "
            f"got values from {weights.min()} to {weights.max()}."
        )
    # Dividing by the largest weight keeps the squares from over- and underflowing.
    weights = weights / weights.max()
    return float(weights.sum() ** 2 / np.square(weights).sum())
