"""The promises of sktransfer's contract, one function each.

`sktransfer.utils.estimator_checks` is the public face of this module.
"""

import pickle
import random
import sys
import tempfile

import numpy as np
from joblib import Parallel, delayed
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from sktransfer._transfer_classifier import TransferClassifier
from sktransfer._transfer_regressor import TransferRegressor
from sktransfer.base import BaseWeighter
from sktransfer.utils._check_data import (
    ShiftedData,
    data_for,
    kind_of,
    result,
    shifted_data,
)
from sktransfer.utils._kept_checks import kept_checks
from sktransfer.utils._limit_cases import (
    check_collapse_is_said,
    check_degenerate_data,
    check_sample_domain_errors,
    check_without_target,
)

__all__ = ["promises_of"]


def promises_of(estimator):
    """Yield the check functions that apply to an estimator."""
    kind = kind_of(estimator)
    yield from kept_checks(estimator)
    yield check_row_order
    yield check_inputs_unchanged
    yield check_domain_names
    yield check_two_sources
    yield check_list_and_frame_input
    yield check_sparse_input
    yield check_float32
    yield check_reproducible
    yield check_pickle_and_workers
    yield check_degenerate_data
    yield check_sample_domain_errors
    if kind in ("aligner", "weighter", "selector"):
        if not getattr(estimator, "_reads_target_labels", False):
            yield check_target_labels_unread
        yield check_without_target
        yield check_no_shift_adapter
    elif "target_labels" in estimator.get_params():
        yield check_target_labels_ignored
    if kind == "aligner":
        yield check_pipeline_memory
        yield check_transform_agrees
    if kind == "weighter":
        yield check_weights
        yield check_collapse_is_said
    if kind == "selector":
        yield check_selection
    if kind == "classifier":
        yield check_no_shift_classifier
    if kind == "regressor":
        yield check_no_shift_regressor
    else:
        yield check_string_labels


def _assert_same(actual, expected, sentence, *, tol=1e-5):
    for got, want in zip(actual, expected, strict=True):
        if want is None:
            continue
        scale = max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(
            got, want, rtol=0, atol=tol * scale, err_msg=sentence
        )


def check_row_order(estimator):
    """Permuting the rows permutes the result, however the domains are interleaved."""
    data = data_for(estimator)
    rows, new = result(estimator, data)
    domains_in_blocks = np.argsort(-data.domain, kind="stable")
    shuffled = np.random.RandomState(1).permutation(len(data.X))
    for index in (domains_in_blocks, domains_in_blocks[::-1], shuffled):
        expected = None if rows is None else rows[index]
        _assert_same(
            result(estimator, data.rows(index)),
            (expected, new),
            "the result depends on the order of the rows",
        )


def check_inputs_unchanged(estimator):
    """Leave what the caller passes unchanged; it may be read-only."""
    data = data_for(estimator)
    before = [array.copy() for array in (data.X, data.y, data.domain, data.X_new)]
    expected = result(estimator, data)
    for array in (data.X, data.y, data.domain, data.X_new):
        array.setflags(write=False)
    _assert_same(result(estimator, data), expected, "read-only input differs", tol=0)
    after = (data.X, data.y, data.domain, data.X_new)
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(now, was, "fit changed the caller's arrays")
    if has_fit_parameter(estimator, "sample_weight"):
        # All alike, so that an estimator inside that takes none does not mind.
        weight = np.full(len(data.X), 2.0)
        weight.setflags(write=False)
        fit = {"sample_domain": data.domain, "sample_weight": weight}
        clone(estimator).fit(data.X, data.y, **fit)


def check_target_labels_unread(estimator):
    """Leave the target's labels unread: any labels give the same result."""
    data = data_for(estimator)
    target = data.domain < 0
    scrambled, masked = data.y.copy(), data.y.copy()
    scrambled[target] = np.arange(target.sum()) % 3
    masked[target] = -1
    expected = result(estimator, data)
    for y in (scrambled, masked):
        _assert_same(
            result(estimator, data.with_(y=y)),
            expected,
            "the result depends on labels of the target",
        )


def check_target_labels_ignored(estimator):
    """target_labels="ignore" gives the same result for any labels of the target."""
    check_target_labels_unread(clone(estimator).set_params(target_labels="ignore"))


def check_domain_names(estimator):
    """Other numbers for the domains, or strings, change nothing."""
    data = data_for(estimator)
    expected = result(estimator, data)
    target = data.domain < 0
    for names in (
        np.where(target, -7, 3),
        np.where(target, "target", "source"),
        np.where(target, "target", "source").astype(object),
        np.where(target, -1.0, 1.0),
        np.where(target, -1, 1).tolist(),
    ):
        _assert_same(
            result(estimator, data.with_(domain=names)),
            expected,
            "the names of the domains change the result",
        )


def check_two_sources(estimator):
    """Two source domains are accepted, whichever is called the first."""
    data = data_for(estimator)
    second = (np.arange(len(data.X)) % 3 == 0) & (data.domain > 0)
    one = data.with_(domain=np.where(second, 2, data.domain))
    other = data.with_(domain=np.where(second, 1, np.where(data.domain > 0, 2, -1)))
    _assert_same(
        result(estimator, other),
        result(estimator, one),
        "swapping the names of two source domains changes the result",
    )


def check_list_and_frame_input(estimator):
    """Take lists and DataFrames as arrays."""
    data = data_for(estimator)
    expected = result(estimator, data)
    as_list = data.with_(
        X=data.X.tolist(), y=data.y.tolist(), X_new=data.X_new.tolist()
    )
    _assert_same(result(estimator, as_list), expected, "lists differ from arrays")
    if "pandas" in sys.modules:
        pd = sys.modules["pandas"]
        columns = [f"x{i}" for i in range(data.X.shape[1])]
        frame = data.with_(
            X=pd.DataFrame(data.X, columns=columns),
            y=pd.Series(data.y),
            domain=pd.Series(data.domain),
            X_new=pd.DataFrame(data.X_new, columns=columns),
        )
        _assert_same(result(estimator, frame), expected, "DataFrames differ")


def check_sparse_input(estimator):
    """Sparse input gives what dense input gives, or scikit-learn's own TypeError."""
    data = data_for(estimator)
    as_sparse = ShiftedData(
        sparse.csr_array(data.X),
        data.y,
        data.domain,
        sparse.csr_array(data.X_new),
        data.y_new,
    )
    if get_tags(estimator).input_tags.sparse:
        got = result(estimator, as_sparse)
        _assert_same(got, result(estimator, data), "sparse differs from dense")
        return
    try:
        result(estimator, as_sparse)
    except TypeError as error:
        if "dense data is required" in str(error):
            return
        raise
    raise AssertionError("sparse input is taken, but the tag says that it is not")


def check_float32(estimator):
    """float32 stays float32 and gives about what float64 gives."""
    data = data_for(estimator)
    as_float32 = data.with_(
        X=data.X.astype(np.float32), X_new=data.X_new.astype(np.float32)
    )
    got, expected = result(estimator, as_float32), result(estimator, data)
    _assert_same(got, expected, "float32 differs from float64", tol=5e-2)
    if kind_of(estimator) in ("aligner", "weighter", "selector"):
        for array in got:
            assert array is None or array.dtype == np.float32, array.dtype


def check_reproducible(estimator):
    """Give the same for the same random_state; leave global generators alone."""
    data = data_for(estimator)
    seeded = clone(estimator)
    if "random_state" in seeded.get_params():
        seeded.set_params(random_state=7)
    state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    torch = sys.modules.get("torch")
    torch_state = torch.random.get_rng_state() if torch else None
    first = result(seeded, data)
    _assert_same(result(seeded, data), first, "two fits differ", tol=1e-12)
    for was, now in zip(state, np.random.get_state(), strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(was, now, "numpy's global generator was used")
    assert random.getstate() == python_state, "the global generator was used"
    if torch:
        same = torch.equal(torch.random.get_rng_state(), torch_state)
        assert same, "torch's global generator was used"


def check_pickle_and_workers(estimator):
    """Give the same after pickling and in another process."""
    data = data_for(estimator)
    expected = result(estimator, data)
    again = pickle.loads(pickle.dumps(estimator))
    _assert_same(result(again, data), expected, "pickling changes the result")
    both = Parallel(n_jobs=2)(delayed(result)(estimator, data) for _ in range(2))
    for got in both:
        _assert_same(got, expected, "two workers give another result")


def check_pipeline_memory(estimator):
    """Give the same from a cached pipeline, on the first and on the second fit."""
    data = data_for(estimator)
    with tempfile.TemporaryDirectory() as folder:
        models = [
            make_pipeline(
                StandardScaler(), clone(estimator), TransferClassifier(), memory=memory
            )
            for memory in (None, folder, folder)
        ]
        name = type(estimator).__name__.lower()
        params = {
            f"{name}__sample_domain": data.domain,
            "transferclassifier__sample_domain": data.domain,
        }
        outputs = [
            model.fit(data.X, data.y, **params).predict_proba(data.X_new)
            for model in models
        ]
    for output in outputs[1:]:
        np.testing.assert_allclose(output, outputs[0], atol=1e-6)


def check_transform_agrees(estimator):
    """Rows of fit are mapped alike by fit_transform and by transform."""
    data = data_for(estimator)
    fitted = clone(estimator)
    mapped = fitted.fit_transform(data.X, data.y, sample_domain=data.domain)
    again = fitted.transform(data.X, sample_domain=data.domain)
    _assert_same((again,), (np.asarray(mapped),), "transform maps the rows differently")
    target = data.domain < 0
    alone = fitted.transform(data.X[target])
    _assert_same(
        (alone,), (mapped[target],), "target rows alone are mapped differently"
    )


def check_weights(estimator):
    """Weights are finite, >= 0, of mean one on the source and one on the target.

    Where a weighter balances the domains, labelled target rows have one weight, and the
    larger of it and the source's mean is one.
    """
    data = data_for(estimator)
    fitted = clone(estimator).fit(data.X, data.y, sample_domain=data.domain)
    weights, source = fitted.sample_weight_, data.domain > 0
    assert np.isfinite(weights).all()
    assert weights.min() >= 0
    mean = weights[source].mean()
    if type(fitted)._domain_factors is not BaseWeighter._domain_factors:
        labeled = ~source & (data.y != -1)
        assert np.ptp(weights[labeled]) == 0
        np.testing.assert_allclose(max(mean, weights[labeled][0]), 1, rtol=1e-5)
        np.testing.assert_array_equal(weights[~source & ~labeled], 1)
    else:
        np.testing.assert_allclose(mean, 1, rtol=1e-5)
        np.testing.assert_array_equal(weights[~source], 1)
    assert 1 <= fitted.effective_sample_size_ <= source.sum() * (1 + 1e-9)


def check_selection(estimator):
    """All target rows stay, the weights are the mask, every source row has a score."""
    data = data_for(estimator)
    fitted = clone(estimator).fit(data.X, data.y, sample_domain=data.domain)
    source = data.domain > 0
    assert fitted.support_.dtype == bool
    assert fitted.support_[~source].all()
    assert fitted.support_[source].any()
    np.testing.assert_array_equal(fitted.sample_weight_, fitted.support_)
    assert np.isfinite(fitted.scores_[source]).all()


def _accuracy(model, data):
    fitted = clone(model).fit(data.X, data.y, sample_domain=data.domain)
    return np.mean(fitted.predict(data.X_new) == data.y_new)


def check_no_shift_adapter(estimator):
    """Without shift an adapter changes little."""
    data = shifted_data(shift=0.0, n_source=120, n_target=120)

    # The labelled target rows alone would make up for a bad adapter.
    labels = "use" if getattr(estimator, "_needs_target_labels", False) else "ignore"

    def accuracy(adapter):
        return _accuracy(
            TransferClassifier(adapter=adapter, target_labels=labels), data
        )

    adapted, plain = accuracy(estimator), accuracy(None)
    assert adapted >= plain - 0.1, (
        f"accuracy {adapted:.2f}, without adapter {plain:.2f}"
    )


def check_no_shift_classifier(estimator):
    """Without shift a whole classifier is about as good as logistic regression."""
    data = data_for(estimator, shift=0.0, n_source=120, n_target=120)
    plain = _accuracy(TransferClassifier(), data)
    adapted = _accuracy(estimator, data)
    assert adapted >= plain - 0.15, f"accuracy {adapted:.2f}, plain {plain:.2f}"


def check_no_shift_regressor(estimator):
    """Without shift a whole regressor is about as good as ridge regression."""
    data = data_for(estimator, shift=0.0, n_source=120, n_target=120)

    def score(model):
        fitted = clone(model).fit(data.X, data.y, sample_domain=data.domain)
        return fitted.score(data.X_new, data.y_new)

    adapted, plain = score(estimator), score(TransferRegressor())
    assert adapted >= plain - 0.15, f"R squared {adapted:.2f}, plain {plain:.2f}"


def check_string_labels(estimator):
    """Take string labels, unlabelled rows marked "", as integers."""
    data = data_for(estimator)
    names = np.array(["", "cat", "dog", "emu"])[data.y + 1]
    _assert_same(
        result(estimator, data.with_(y=names)),
        result(estimator, data),
        "string labels differ from integers",
    )
