"""Source rows that are local to target rows and that local models do not contradict."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from sktransfer.instance._agreement import judged
from sktransfer.instance._balls import Balls
from sktransfer.instance._local_learning import (
    distinct_neighborhoods,
    local_probabilities,
    neighbors,
)

__all__ = ["LocalAgreementScorer", "fit_local_agreement"]


@dataclass(frozen=True)
class LocalAgreementScorer:
    """The scores of any labelled rows by models of the target rows around them.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned and fitted to the neighbourhoods that are asked for.
    X : {ndarray, sparse matrix} of shape (n_labeled, n_features)
        Labelled source rows.
    y : ndarray of shape (n_labeled,), int
        Their class numbers.
    groups : ndarray of shape (n_groups, n_neighbors), int
        Row numbers of each neighbourhood.
    group_of : ndarray of shape (n_target,), int
        The neighbourhood of each target row.
    balls : Balls
        Target rows, up to the last of their nearest source rows.
    """

    estimator: object
    X: object
    y: np.ndarray
    groups: np.ndarray
    group_of: np.ndarray
    balls: Balls

    reads_labels = True

    def sums(self, counts, X):
        """Return for each row the summed probabilities of the models around it.

        Parameters
        ----------
        counts : sparse array of shape (n_samples, n_groups)
            How many target rows of each neighbourhood a row is near to.
        X : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        counts, n_classes = counts.tocsc(), int(self.y.max()) + 1
        asked = np.flatnonzero(np.diff(counts.indptr))
        ends = [slice(*counts.indptr[g : g + 2]) for g in asked]
        found = local_probabilities(
            self.estimator,
            self.X,
            self.y,
            self.groups[asked],
            None,
            [X[counts.indices[part]] for part in ends],
            n_classes,
            None,
        )
        sums = np.zeros((X.shape[0], n_classes))
        for part, probabilities in zip(ends, found, strict=True):
            sums[counts.indices[part]] += counts.data[part, None] * probabilities
        return sums

    def __call__(self, X, y):
        """Return for each row the summed probabilities of its label, zero without."""
        scores = np.zeros(X.shape[0])
        known = np.flatnonzero((y >= 0) & (y <= self.y.max()))
        if len(known):
            sums = self.sums(self._counts(X[known]), X[known])
            scores[known], _ = judged(sums, y[known])
        return scores

    def _counts(self, X):
        n_target = len(self.group_of)
        member = sparse.csr_array(
            (np.ones(n_target), (np.arange(n_target), self.group_of)),
            shape=(n_target, len(self.groups)),
        )
        parts = [
            sparse.csr_array(inside.astype(np.float64)) @ member
            for _, inside, _ in self.balls.blocks(X)
        ]
        return sparse.vstack(parts)


def fit_local_agreement(estimator, X_source, y_source, X_target, n_neighbors):
    """Score source rows by what the models of the target rows around them say.

    For each target row a model is fitted on its nearest labelled source rows.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, never fitted itself.
    X_source : {ndarray, sparse matrix} of shape (n_source, n_features)
        Source rows.
    y_source : ndarray of shape (n_source,), int
        Class numbers, -1 where there is none; one row at least has one.
    X_target : {ndarray, sparse matrix} of shape (n_target, n_features)
        Target rows.
    n_neighbors : int
        Neighbours of each target row; at most all labelled source rows are taken.

    Returns
    -------
    kept : ndarray of shape (n_source,), bool
        Rows that are a neighbour of some target row and whose label is the most
        probable one by the models of all such target rows together.
    scores : ndarray of shape (n_source,)
        Sum over these target rows of the probability of the row's own label.
    scorer : LocalAgreementScorer
        Scores any rows.
    """
    labeled = np.flatnonzero(y_source >= 0)
    X, y = X_source[labeled], y_source[labeled]
    numbers, _ = neighbors(NearestNeighbors().fit(X), X_target, n_neighbors)
    groups, group_of = distinct_neighborhoods(numbers)
    last = X[numbers[:, -1]].astype(np.float64)
    balls = Balls.up_to(X_target.astype(np.float64), last)
    scorer = LocalAgreementScorer(estimator, X, y, groups, group_of.ravel(), balls)
    sizes = np.bincount(scorer.group_of, minlength=len(groups)).astype(np.float64)
    of_group = np.repeat(np.arange(len(groups)), groups.shape[1])
    counts = sparse.csr_array(
        (np.repeat(sizes, groups.shape[1]), (groups.ravel(), of_group)),
        shape=(len(y), len(groups)),
    )
    own, contradicted = judged(scorer.sums(counts, X), y)
    kept, scores = np.zeros(len(y_source), dtype=bool), np.zeros(len(y_source))
    kept[labeled] = (own > 0) & ~contradicted
    scores[labeled] = own
    return kept, scores, scorer
