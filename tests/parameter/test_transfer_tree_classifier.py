import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sktransfer import TransferTreeClassifier
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._tree_arrays import TreeArrays, distinct_rows
from sktransfer.parameter._tree_refinement import reduced

METHODS = ["ser", "strut", "mix"]


@pytest.fixture
def domains():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4))
    y = np.digitize(X[:, 0] + 0.5 * X[:, 1] + 0.5 * rng.normal(size=200), [-0.5, 0.7])
    X_target = rng.normal(size=(40, 4)) + 1
    y_target = np.digitize(X_target[:, 0] + 0.5 * X_target[:, 1], [1.0, 2.0])
    return X, y, X_target, y_target


def stacked(X, y, X_target, y_target):
    domain = np.repeat([1, -1], [len(X), len(X_target)])
    return np.r_[X, X_target], np.r_[y, y_target], domain


def target_counts(tree, X, y):
    """Weights of the classes in each node, row by row down from the root."""
    counts = np.zeros_like(tree.value)
    for row, label in zip(X.astype(np.float32), y, strict=True):
        node = 0
        while True:
            counts[node, label] += 1
            if tree.left[node] < 0:
                break
            goes_left = row[tree.feature[node]] <= tree.threshold[node]
            node = tree.left[node] if goes_left else tree.right[node]
    return counts


@pytest.mark.parametrize("max_depth", [1, 3, None])
def test_arrays_predict_as_scikit_learn(domains, max_depth):
    X, y, X_new, _ = domains
    model = DecisionTreeClassifier(max_depth=max_depth, random_state=0).fit(X, y)
    tree = TreeArrays.read(model.tree_, np.arange(3), 3)
    single = X_new.astype(np.float32)
    assert_array_equal(tree.apply(single), model.apply(X_new))
    assert_allclose(tree.predict_proba(single), model.predict_proba(X_new), rtol=1e-15)
    # Among more classes the others have no share.
    wider = TreeArrays.read(model.tree_, np.array([0, 2, 3]), 4)
    assert_allclose(
        wider.predict_proba(single)[:, [0, 2, 3]], tree.predict_proba(single)
    )
    assert_array_equal(wider.predict_proba(single)[:, 1], 0)


def test_without_labelled_target_rows_it_is_the_source_tree(domains):
    X, y, X_target, _ = domains
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = TransferTreeClassifier(max_depth=3, random_state=0).fit(
            *stacked(X, y, X_target, np.full(40, -1))[:2]
        )
    source = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    assert_allclose(model.predict_proba(X_target), source.predict_proba(X_target))


def test_ser_on_the_source_itself_loses_nothing(domains):
    X, y, _, _ = domains
    source = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    model = TransferTreeClassifier(source, random_state=0).fit(X, y)
    assert model.score(X, y) == 1.0 > source.score(X, y)
    # A full source tree has nothing to expand, and nothing to cut but equal leaves.
    full = DecisionTreeClassifier(random_state=0).fit(X, y)
    same = TransferTreeClassifier(full, random_state=0).fit(X, y)
    assert_array_equal(same.predict(X), y)
    assert same.trees_[0].n_nodes <= full.tree_.node_count
    # Without expansion: never worse than the source on the rows that decide.
    shallow = TransferTreeClassifier(source, max_depth=1).fit(X, y)
    assert shallow.score(X, y) >= source.score(X, y)


def test_reduction_by_hand():
    # Split at 0.5, both sides again at 0.2 and at 0.8; the leaves say 0, 1, 0, 1.
    value = [[0.5, 0.5], [0.4, 0.6], [1, 0], [0, 1], [0.7, 0.3], [1, 0], [0, 1]]
    tree = TreeArrays(
        np.array([1, 2, -1, -1, 5, -1, -1]),
        np.array([4, 3, -1, -1, 6, -1, -1]),
        np.array([0, 0, -1, -1, 0, -1, -1]),
        np.array([0.5, 0.2, np.nan, np.nan, 0.8, np.nan, np.nan]),
        np.array(value, dtype=float),
        np.full(7, 10.0),
    )

    def reduced_by(x, y):
        X = np.array(x, dtype=np.float32)[:, None]
        return reduced(tree, X, np.array(y), np.ones(len(x)))

    x = [0.1, 0.3, 0.6, 0.9]
    # All four leaves are right: nothing goes.
    assert_array_equal(reduced_by(x, [0, 1, 0, 1]).threshold, tree.threshold)
    # On the right all rows are of class 1: the split has one wrong, a leaf none.
    part = reduced_by(x, [0, 1, 1, 1])
    assert_array_equal(part.threshold, [0.5, 0.2, np.nan, np.nan, np.nan])
    assert_allclose(part.value[-1], [0, 1])
    assert_allclose(part.weight[-1], 2)
    # No row on the left: the split there goes, and the leaf keeps the source's shares.
    part = reduced_by([0.6, 0.9], [0, 1])
    assert_array_equal(part.threshold, [0.5, np.nan, 0.8, np.nan, np.nan])
    assert_allclose(part.value[1], [0.4, 0.6])
    # Both leaves wrong on the right, a single leaf half: so it is up to the root.
    part = reduced_by([0.6, 0.9], [1, 0])
    assert_allclose(part.value, [[0.5, 0.5]])


def test_strut_finds_a_shifted_threshold():
    # The source splits at 2.5, the target at 12.25.
    source = DecisionTreeClassifier().fit([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1])
    X, y = np.array([[11.0], [12.0], [12.5], [15.0]]), np.array([0, 0, 1, 1])
    tree = TransferTreeClassifier(source, method="strut").fit(X, y).trees_[0]
    assert_allclose(tree.threshold[0], 12.25)
    assert_allclose(tree.value, [[0.5, 0.5], [1, 0], [0, 1]])
    assert_allclose(tree.weight, [4, 2, 2])


def test_strut_swaps_the_subtrees_of_a_reflected_feature():
    rng = np.random.RandomState(0)

    def labels(first, second):
        # Small x0: decided by x1 among classes 0 and 1. Large x0: class 2.
        return np.where(first > 0, 2, (second > 0).astype(int))

    X = rng.normal(size=(300, 2))
    X[:, 0] *= 3
    y = labels(X[:, 0], X[:, 1])
    source = DecisionTreeClassifier(random_state=0).fit(X, y)
    assert_array_equal(source.tree_.feature[source.tree_.children_left >= 0], [0, 1])
    X_target, X_new = rng.normal(size=(60, 2)), rng.normal(size=(500, 2))
    y_target, y_new = (labels(1 - A[:, 0], A[:, 1] - 0.3) for A in (X_target, X_new))
    model = TransferTreeClassifier(source, method="strut").fit(X_target, y_target)
    tree = model.trees_[0]
    # The split on x1 was below on the left and is now on the right.
    assert tree.left[tree.left[0]] < 0
    assert tree.feature[tree.right[0]] == 1
    assert_allclose(tree.threshold[0], 1.0, atol=0.2)
    assert_allclose(tree.threshold[tree.right[0]], 0.3, atol=0.3)
    assert model.score(X_target, y_target) == 1.0
    assert model.score(X_new, y_new) > 0.9 > source.score(X_new, y_new)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("max_depth", [2, None])
def test_leaves_count_target_rows(domains, method, max_depth):
    X, y, domain = stacked(*domains)
    model = TransferTreeClassifier(method=method, max_depth=max_depth, random_state=0)
    model.fit(X, y, sample_domain=domain)
    assert len(model.trees_) == (2 if method == "mix" else 1)
    _, _, X_target, y_target = domains
    for tree in model.trees_:
        counts = target_counts(tree, X_target, y_target)
        leaves = np.flatnonzero(tree.is_leaf & (counts.sum(axis=1) > 0))
        assert_allclose(tree.weight[leaves], counts[leaves].sum(axis=1))
        shares = counts[leaves] / counts[leaves].sum(axis=1, keepdims=True)
        assert_allclose(tree.value[leaves], shares)
        assert_allclose(tree.value.sum(axis=1), 1)
    mean = np.mean(
        [t.predict_proba(X.astype(np.float32)) for t in model.trees_], axis=0
    )
    assert_allclose(model.predict_proba(X), mean)


def test_strut_keeps_features_and_adds_no_node(domains):
    X, y, X_target, y_target = domains
    source = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X, y)
    model = TransferTreeClassifier(source, method="strut").fit(X_target, y_target)
    tree = model.trees_[0]
    assert tree.n_nodes < source.tree_.node_count
    assert tree.feature[0] == source.tree_.feature[0]
    few = TransferTreeClassifier(source, method="strut", min_samples_leaf=8)
    assert few.fit(X_target, y_target).trees_[0].weight.min() >= 8


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_repeated_rows_and_strings(domains, method):
    X, y, domain = stacked(*domains)
    X = np.round(X, 1)  # some rows are equal in some features
    model = TransferTreeClassifier(method=method, random_state=0)
    expected = clone(model).fit(X, y, sample_domain=domain).predict_proba(X)
    order = np.random.RandomState(1).permutation(len(X))
    other = clone(model).fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(other.predict_proba(X), expected)
    names = np.array(["a", "b", "c"])[y]
    named = clone(model).fit(X, names, sample_domain=domain)
    assert_allclose(named.predict_proba(X), expected)
    assert_array_equal(named.predict(X), np.array(["a", "b", "c"])[expected.argmax(1)])
    times = 1 + np.arange(len(X)) % 3
    weighed = clone(model).fit(X, y, sample_domain=domain, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = clone(model).fit(X[again], y[again], sample_domain=domain[again])
    assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X))


def test_distinct_rows():
    X = np.array([[1.0, 2.0], [0.0, 5.0], [1.0, 2.0], [1.0, 2.0], [-0.0, 5.0]])
    y, weight = np.array([1, 0, 1, 0, 0]), np.array([1.0, 2.0, 0.5, 1.0, 1.0])
    rows, labels, weights = distinct_rows(X, y, weight)
    assert_array_equal(rows, [[0, 5], [1, 2], [1, 2]])
    assert_array_equal(labels, [0, 0, 1])
    assert_array_equal(weights, [3, 1, 1.5])


def test_new_classes_of_the_target_and_named_columns(domains):
    pd = pytest.importorskip("pandas")
    X, y, X_target, y_target = domains
    source = DecisionTreeClassifier(random_state=0).fit(X, y)
    model = TransferTreeClassifier(source, random_state=0)
    model.fit(X_target, np.where(y_target == 0, 7, y_target))
    assert_array_equal(model.classes_, [0, 1, 2, 7])
    assert 7 in model.predict(X_target)
    columns = ["a", "b", "c", "d"]
    named = DecisionTreeClassifier(random_state=0).fit(
        pd.DataFrame(X, columns=columns), y
    )
    frame = pd.DataFrame(X_target, columns=columns)[["d", "a", "c", "b"]]
    turned = TransferTreeClassifier(named, method="strut").fit(frame, y_target)
    straight = TransferTreeClassifier(source, method="strut").fit(X_target, y_target)
    assert_allclose(turned.predict_proba(frame), straight.predict_proba(X_target))


def test_bad_input(domains):
    X, y, _, _ = domains
    for parameters, name in (
        ({"method": "grow"}, "method"),
        ({"max_depth": 0}, "max_depth"),
        ({"min_samples_leaf": 0}, "min_samples_leaf"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            TransferTreeClassifier(**parameters).fit(X, y)
    with pytest.raises(NotFittedError, match="is not fitted"):
        TransferTreeClassifier(DecisionTreeClassifier()).fit(X, y)
    linear = LogisticRegression(max_iter=1000).fit(X, y)
    with pytest.raises(TypeError, match="fitted DecisionTreeClassifier, a forest"):
        TransferTreeClassifier(linear).fit(X, y)
    narrow = DecisionTreeClassifier().fit(X[:, :2], y)
    with pytest.raises(ValueError, match="fitted on 2 features, but X has 4"):
        TransferTreeClassifier(narrow).fit(X, y)
