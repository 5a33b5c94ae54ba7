"""How boosting with labelled target rows moves the weights of the rows."""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "FrozenSource",
    "LoweredSource",
    "error_of_target",
    "final_votes",
    "frozen_source_weights",
    "is_chance",
    "source_factor",
    "transfer_weights",
    "vote_of_error",
]

# A smaller error than this would overflow as the odds of being right.
_LEAST_ERROR = 1e-300


def source_factor(n_source, n_rounds):
    """Return the factor of a source row that is wrong in one of the rounds.

    It is that of the weighted majority algorithm: 1 / (1 + sqrt(2 ln(n) / N)).
    """
    return 1.0 / (1.0 + np.sqrt(2.0 * np.log(max(n_source, 1)) / n_rounds))


def error_of_target(weight, losses, is_target):
    """Return the weighted mean of the losses of the target rows."""
    return float(np.average(losses[is_target], weights=weight[is_target]))


def is_chance(error, n_classes=2):
    """Whether a round is no better than chance, up to rounding.

    The model of the round before has exactly the error of chance with new weights.
    """
    return error >= (1.0 - 1.0 / n_classes) * (1.0 - 1e-9)


def vote_of_error(error, n_classes=2):
    """Return ln((1 - error) / error) + ln(n_classes - 1), and 0 from chance on."""
    if is_chance(error, n_classes):
        return 0.0
    error = max(error, _LEAST_ERROR)
    return float(np.log((1.0 - error) / error) + np.log(n_classes - 1))


def transfer_weights(weight, losses, is_target, *, factor, n_classes=2, dynamic=False):
    """Return the weights for the next round, which sum to one.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
        Weights of this round.
    losses : ndarray of shape (n_rows,)
        Loss of each row in [0, 1]: for classes 1 where the round is wrong.
    is_target : ndarray of shape (n_rows,), bool
        Which rows are target rows.
    factor : float
        What a source row of loss one is multiplied by, see `source_factor`.
    n_classes : int, default=2
        Number of classes; 2 for values.
    dynamic : bool, default=False
        Whether source rows grow as the target does.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    error = error_of_target(weight, losses, is_target)
    moved = weight * np.exp(vote_of_error(error, n_classes) * losses)
    growth = moved[is_target].sum() / weight[is_target].sum() if dynamic else 1.0
    source = ~is_target
    # No better than chance: the source as a whole has misled the round.
    misled = is_chance(error, n_classes)
    blame = np.ones(source.sum()) if misled else losses[source]
    moved[source] = weight[source] * growth * factor**blame
    return moved / moved.sum()


def frozen_source_weights(weight, losses, is_target, error):
    """Return weights as AdaBoost.R2 moves them, on the target rows alone.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
        Weights of this round.
    losses : ndarray of shape (n_rows,)
        Loss of each row in [0, 1].
    is_target : ndarray of shape (n_rows,), bool
        Which rows are target rows. Their total weight stays as it is.
    error : float
        Weighted mean of all losses.

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    moved, target = weight.copy(), weight[is_target]
    new = target * np.exp(vote_of_error(error) * (losses[is_target] - 1.0))
    moved[is_target] = new * (target.sum() / new.sum())
    return moved


@dataclass(frozen=True)
class LoweredSource:
    """TrAdaBoost: source rows lose weight where they are wrong, target rows gain."""

    factor: float
    n_classes: int = 2
    dynamic: bool = False

    def error(self, weight, losses, is_target):
        """Return the error of a round."""
        return error_of_target(weight, losses, is_target)

    def next_weights(self, weight, losses, is_target):
        """Return the weights for the next round."""
        return transfer_weights(
            weight,
            losses,
            is_target,
            factor=self.factor,
            n_classes=self.n_classes,
            dynamic=self.dynamic,
        )

    def is_over(self, weight, losses, is_target):
        """Whether the next round would repeat this one."""
        error = self.error(weight, losses, is_target)
        misled = is_chance(error, self.n_classes)
        if weight[~is_target].any() and self.factor < 1.0:
            return not misled and not np.any(weight * losses > 0)
        return error == 0.0 or misled


@dataclass(frozen=True)
class FrozenSource:
    """AdaBoost.R2 in which the source rows keep their weights."""

    n_classes: int = 2

    def error(self, weight, losses, is_target):
        """Return the error of a round, over the rows of both domains."""
        return float(np.average(losses, weights=weight))

    def next_weights(self, weight, losses, is_target):
        """Return the weights for the next round."""
        error = self.error(weight, losses, is_target)
        return frozen_source_weights(weight, losses, is_target, error)

    def is_over(self, weight, losses, is_target):
        """Whether the rounds end here: all right, or no better than chance."""
        error = self.error(weight, losses, is_target)
        return error == 0.0 or is_chance(error)


def final_votes(errors, n_rounds, *, first=0, n_classes=2, n_target=1):
    """Return the weight of each round in the final vote.

    Parameters
    ----------
    errors : ndarray of shape (n_done,)
        Errors of the rounds that were made; those left out would repeat the last one.
    n_rounds : int
        Number of rounds asked for.
    first : int, default=0
        Number of rounds at the start that do not vote.
    n_classes : int, default=2
        Number of classes; 2 for values.
    n_target : int, default=1
        Number of target rows. An error below that of half a row counts as this.

    Returns
    -------
    ndarray of shape (n_done,)
        Not all of them zero: where no voter is better than chance all vote alike.
    """
    least = 0.5 / (n_target + 1)
    votes = np.array([vote_of_error(max(e, least), n_classes) for e in errors])
    last = len(votes) - 1
    counts = (np.arange(len(votes)) >= first).astype(np.float64)
    counts[last] = n_rounds - max(last, first)
    return votes * counts if np.any(votes * counts > 0) else counts
