"""How much each of several source models counts."""

import numpy as np
from scipy.optimize import minimize

__all__ = ["learned_source_weights"]


def learned_source_weights(scores, targets, weight, loss):
    r"""Find weights of source models by the loss on labelled target rows.

    :math:`\min_{\beta, b} \sum_i s_i L(\sum_j \beta_j f_j(x_i) + b, t_i)` over
    :math:`\beta_j \ge 0, \sum_j \beta_j \le 1`: a convex problem in as many unknowns as
    there are models and outputs.

    Parameters
    ----------
    scores : ndarray of shape (n_models, n_samples, n_outputs)
        Scores f_j of the models for the rows, without intercept.
    targets : ndarray of shape (n_samples, n_outputs)
        What the loss compares the scores with.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.
    loss : object
        One of `_linear_losses`.

    Returns
    -------
    ndarray of shape (n_models,)
        The weights; all zero means that no model is of use.
    """
    n_models, share = len(scores), weight / weight.sum()
    # A constant added to a model's scores goes into b.
    scores = scores - np.einsum("jik,i->jk", scores, share)[:, None, :]
    start = np.append(np.full(n_models, 1 / n_models), loss.start(targets, weight))
    # Units in which the objective is about one.
    unit = max(
        float(share @ loss.values(0 * targets + start[n_models:], targets)), 1e-9
    )

    def objective(point):
        eta = np.tensordot(point[:n_models], scores, axes=1) + point[n_models:]
        with np.errstate(over="ignore", invalid="ignore"):
            value = share @ loss.values(eta, targets)
            rows = share[:, None] * loss.gradient(eta, targets)[0]
        gradient = np.append(np.einsum("jik,ik->j", scores, rows), rows.sum(axis=0))
        value = value if np.isfinite(value) else 1e300
        return value / unit, np.nan_to_num(gradient) / unit

    ones = np.append(np.ones(n_models), np.zeros(len(start) - n_models))
    found = minimize(
        objective,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n_models + [(None, None)] * (len(start) - n_models),
        constraints={
            "type": "ineq",
            "fun": lambda point: 1 - ones @ point,
            "jac": lambda point: -ones,
        },
        options={"ftol": 1e-14, "maxiter": 500},
    )
    weights = np.clip(found.x[:n_models], 0, 1)
    return weights / max(weights.sum(), 1.0)
