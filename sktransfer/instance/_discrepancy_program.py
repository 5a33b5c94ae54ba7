"""Weights of least discrepancy: a semidefinite programme with a certified gap.

Minimise the spectral norm of M(w) = sum_i w_i x_i x_i' - A, plus r (n |w|^2 - 1), over
w >= 0, sum(w) = 1.

With S = t I - M(w) and T = t I + M(w) positive definite, t is above the norm. For any
symmetric Z of nuclear norm at most one, the minimum of <Z, M(w)> + r (n |w|^2 - 1),
which is known, is below that of the programme: the difference is the gap. A primal-dual
interior-point method (Mehrotra's predictor and corrector, the direction of Helmberg,
Kojima and Monteiro) closes it in some twenty steps.
"""

from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from scipy import linalg

from sktransfer._kernels import content_subsample
from sktransfer.instance._landmarks import project_simplex
from sktransfer.instance._moment_systems import moment, quadratic_forms, solver_of

__all__ = ["DiscrepancyResult", "least_discrepancy", "spectral_norm"]

# Beyond both, the programme is solved on working sets of so many rows.
_MAX_MOMENTS = 2000
_MAX_ROWS = 2000
_MAX_ROUNDS = 10


@dataclass(frozen=True)
class DiscrepancyResult:
    """Weights of sum one, the norm before and after, and what certifies them.

    No weights have a norm below `bound`, nor an objective below that of these by more
    than `gap`.
    """

    weights: np.ndarray
    before: float
    after: float
    bound: float
    gap: float
    n_iter: int
    converged: bool


def spectral_norm(M):
    """Return the largest absolute eigenvalue of a symmetric matrix."""
    return float(np.abs(np.linalg.eigvalsh(M)).max())


def least_discrepancy(
    X_source, X_target, *, regularization=0.0, tol=1e-4, max_iter=100
):
    """Weigh source rows so that second moments differ least in spectral norm.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_samples, n_features), float64
        Rows of the domains.
    regularization : float, default=0.0
        r, in units of the norm of equal weights.
    tol : float, default=1e-4
        Gap at which to stop, in units of the norm of equal weights.
    max_iter : int, default=100
        Steps after which to stop.

    Returns
    -------
    DiscrepancyResult
    """
    X, Y, unit = _in_their_span(X_source, X_target)
    n = len(X)
    A = moment(Y, np.full(len(Y), 1 / len(Y)))
    before = spectral_norm(moment(X, np.full(n, 1 / n)) - A)
    if n == 1 or before <= 1e-13:
        size = float(before * unit)
        return DiscrepancyResult(np.full(n, 1 / n), size, size, 0.0, 0.0, 0, True)
    program = _Program(X, A, regularization * before)
    n_moments = X.shape[1] * (X.shape[1] + 1) // 2
    fits = n_moments <= _MAX_MOMENTS or n <= _MAX_ROWS
    solve = _solve_all if fits else _solve_by_rows
    w, Z, n_iter = solve(program, tol * before, max_iter)
    objective, (bound, lowest) = program.objective(w), program.bounds(Z)
    gap = max(objective - lowest, 0.0)
    sizes = (before, program.norm(w), max(bound, 0.0), gap)
    sizes = [float(size * unit) for size in sizes]
    return DiscrepancyResult(w, *sizes, n_iter, bool(gap <= tol * before))


@dataclass(frozen=True)
class _Program:
    X: np.ndarray
    A: np.ndarray
    penalty: float

    def norm(self, w):
        return spectral_norm(moment(self.X, w) - self.A)

    def objective(self, w):
        return self.norm(w) + self.penalty * (len(w) * (w @ w) - 1)

    def bounds(self, Z):
        """Return what is below every norm, and below every objective."""
        forms, constant = quadratic_forms(self.X, Z), (Z * self.A).sum()
        bound = forms.min() - constant
        if self.penalty == 0:
            return bound, bound
        curvature = self.penalty * len(forms)
        w = project_simplex(-forms / (2 * curvature))
        lowest = forms @ w + curvature * (w @ w) - self.penalty - constant
        return bound, max(lowest, bound)


def _in_their_span(X, Y):
    """Return rows of at most as many columns as there are rows, and the unit."""
    size = np.sqrt(max(np.square(X).mean(), np.square(Y).mean()))
    size = size * np.sqrt(X.shape[1]) if size > 0 else 1.0
    X, Y = X / size, Y / size
    if X.shape[1] > len(X) + len(Y):
        # A rotation: the second moments keep their eigenvalues.
        basis = linalg.qr(np.vstack([X, Y]).T, mode="economic")[0]
        X, Y = X @ basis, Y @ basis
    return X, Y, size**2


def _solve_all(program, gap, max_iter):
    state = _State(program)
    return state.run(gap, max_iter)


def _solve_by_rows(program, gap, max_iter):
    """Solve on some rows, and take in those that would lower the norm most."""
    X = program.X
    rows = content_subsample(X, _MAX_ROWS // 2, 0)
    total, best = 0, None
    for _ in range(_MAX_ROUNDS):
        part = _Program(X[rows], program.A, program.penalty * len(X) / len(rows))
        on_rows, Z, n_iter = _State(part).run(0.5 * gap, max_iter)
        total += n_iter
        w = np.zeros(len(X))
        w[rows] = on_rows
        excess = program.objective(w) - program.bounds(Z)[1]
        if best is None or excess < best[0]:
            best = (excess, w, Z)
        if excess <= gap:
            break
        forms = quadratic_forms(X, Z) + 2 * program.penalty * len(X) * w
        used = rows[on_rows > 1e-6 * on_rows.max()]
        rows = np.union1d(used, np.argsort(forms, kind="stable")[: _MAX_ROWS // 2])
    return best[1], best[2], total


class _State:
    """An iterate: weights w and t, the dual matrices Z, multipliers z and nu."""

    def __init__(self, program):
        self.program, self.X = program, program.X
        n, p = self.X.shape
        self.eye = np.eye(p)
        self.w = np.full(n, 1 / n)
        self.curvature = 2 * program.penalty * n
        self.t = 2 * program.norm(self.w)
        self.Z = [self.eye / (2 * p), self.eye / (2 * p)]
        self.z = np.full(n, 30 * self.t / (2 * p))
        self.nu = self.curvature / n - self.z[0]
        self.degree = 2 * p + n

    def run(self, gap, max_iter):
        """Take steps until the gap is small; return weights, Z and their number."""
        best, lowest = (np.inf, self.w), (-np.inf, self.eye)
        for n_iter in range(max_iter + 1):
            Z = (self.Z[0] - self.Z[1]) / max(1.0, sum(map(np.trace, self.Z)))
            lowest = max(lowest, (self.program.bounds(Z)[1], Z), key=itemgetter(0))
            now = (self.program.objective(self.w), self.w)
            best = min(best, now, key=itemgetter(0))
            if best[0] - lowest[0] <= gap or n_iter == max_iter:
                break
            try:
                moved = self._step()
            except linalg.LinAlgError:
                moved = False
            if not moved:  # at the limit of rounding; the gap says how near it is
                break
        return best[1], lowest[1], n_iter

    def _slacks(self):
        """Return the two matrices that stay positive definite."""
        M = moment(self.X, self.w) - self.program.A
        return [self.t * self.eye - M, self.t * self.eye + M]

    def _step(self):
        S = self._slacks()
        factors = [linalg.cholesky(s, lower=True) for s in S]
        inverses = [linalg.cho_solve((f, True), self.eye) for f in factors]
        pairs = list(zip(self.Z, inverses, strict=True))
        mu = sum((z * s).sum() for z, s in zip(self.Z, S, strict=True))
        mu = (mu + self.z @ self.w) / self.degree
        solve = solver_of(self.X, pairs, self.z / self.w + self.curvature)
        products = [_symmetric(Z @ inverse) for Z, inverse in pairs]
        c = quadratic_forms(self.X, products[0] - products[1])
        ends = solve(np.stack([c, np.ones(len(self.w))], axis=1))
        system = (inverses, products, c, ends, solve)
        step = self._direction(system, 0.0, None)
        lengths = self._lengths(step, factors)
        after = self._complementarity(step, lengths, S) / self.degree
        sigma = min(1.0, max(after / mu, 0.0) ** 3)
        step = self._direction(system, sigma * mu, step)
        lengths = self._lengths(step, factors)
        lengths = [0.95 * min(length, 1 / 0.95) for length in lengths]
        self._move(step, lengths)
        return min(lengths) > 1e-8

    def _direction(self, system, target, before):
        """Solve the linearised conditions; `before` is the predictor's direction."""
        inverses, products, c, ends, solve = system
        R = [target * T - Z for T, Z in zip(inverses, self.Z, strict=True)]
        r_z = target / self.w - self.z
        if before is not None:
            dS = (before["dS"], before["dZ"], inverses)
            R = [r - _symmetric(z @ s @ t) for r, s, z, t in zip(R, *dS, strict=True)]
            r_z = r_z - before["dz"] * before["dw"] / self.w
        stationary = quadratic_forms(self.X, self.Z[0] - self.Z[1])
        stationary += self.curvature * self.w - self.z - self.nu
        right = r_z - stationary - quadratic_forms(self.X, R[0] - R[1])
        free = solve(right[:, None])[:, 0]
        h = sum(map(np.trace, products))
        left = np.array([[c @ ends[:, 0] - h, c @ ends[:, 1]], ends.sum(axis=0)])
        traces = 1 - sum(map(np.trace, self.Z)) - sum(map(np.trace, R))
        dt, dnu = np.linalg.solve(
            left, [traces - c @ free, 1 - self.w.sum() - free.sum()]
        )
        dw = ends @ [dt, dnu] + free
        dM = moment(self.X, dw)
        dS = [dt * self.eye - dM, dt * self.eye + dM]
        dZ = [
            r - _symmetric(Z @ s @ T)
            for r, Z, s, T in zip(R, self.Z, dS, inverses, strict=True)
        ]
        dz = r_z - self.z / self.w * dw
        return {"dw": dw, "dt": dt, "dnu": dnu, "dS": dS, "dZ": dZ, "dz": dz}

    def _lengths(self, step, factors):
        """Return how far the primal and the dual variables may go."""
        primal = [_length(f, s) for f, s in zip(factors, step["dS"], strict=True)]
        dual = [
            _length(linalg.cholesky(Z, lower=True), d)
            for Z, d in zip(self.Z, step["dZ"], strict=True)
        ]
        primal.append(_positive_length(self.w, step["dw"]))
        dual.append(_positive_length(self.z, step["dz"]))
        return min(primal), min(dual)

    def _complementarity(self, step, lengths, S):
        a, b = (min(length, 1.0) for length in lengths)
        matrices = zip(S, step["dS"], self.Z, step["dZ"], strict=True)
        total = sum(((s + a * ds) * (Z + b * dZ)).sum() for s, ds, Z, dZ in matrices)
        return total + (self.w + a * step["dw"]) @ (self.z + b * step["dz"])

    def _move(self, step, lengths):
        a, b = lengths
        w = self.w + a * step["dw"]
        self.w, self.t = w / w.sum(), self.t + a * step["dt"]
        self.Z = [
            _symmetric(Z + b * d) for Z, d in zip(self.Z, step["dZ"], strict=True)
        ]
        self.z, self.nu = self.z + b * step["dz"], self.nu + b * step["dnu"]


def _symmetric(M):
    return (M + M.T) / 2


def _length(factor, change):
    """Return the largest step that keeps L L' + step * change semidefinite."""
    half = linalg.solve_triangular(factor, change, lower=True)
    lowest = np.linalg.eigvalsh(
        _symmetric(linalg.solve_triangular(factor, half.T, lower=True))
    )[0]
    return -1 / lowest if lowest < 0 else np.inf


def _positive_length(values, change):
    down = change < 0
    return float(np.min(-values[down] / change[down], initial=np.inf))
