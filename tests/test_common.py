"""scikit-learn's checks and ours over every public estimator, none expected to fail."""

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import warnings

import numpy as np
import pandas  # noqa: F401  (its presence lets the checks try DataFrames)
import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import sktransfer
from sktransfer import (
    BalancedWeighter,
    BaseAligner,
    BaseSelector,
    BaseWeighter,
    CORALAligner,
    DensityWeighter,
    DiscrepancyWeighter,
    DiscriminativeWeighter,
    DomainAdaptiveSVM,
    EasyTransferClassifier,
    GaussianWeighter,
    GradualTransferClassifier,
    InstanceSelector,
    JointTransportClassifier,
    JointTransportRegressor,
    KernelMeanMatchingWeighter,
    KLIEPWeighter,
    LabelShiftWeighter,
    LabelTransportClassifier,
    LinearTransportAligner,
    MMDAligner,
    NearestNeighborWeighter,
    OptimalTransportAligner,
    SelfTrainedTransferClassifier,
    SharedMultiTaskClassifier,
    SharedMultiTaskRegressor,
    TrAdaBoostClassifier,
    TrAdaBoostRegressor,
    TransferClassifier,
    TransferForestClassifier,
    TransferRegressor,
    TransferTreeClassifier,
    ULSIFWeighter,
)
from sktransfer.deep import (
    FineTunedClassifier,
    FineTunedRegressor,
    ImagePreprocessor,
    MelSpectrogram,
    PretrainedFeatures,
    SentenceTokenizer,
)
from sktransfer.utils.estimator_checks import yield_transfer_checks

pytestmark = pytest.mark.filterwarnings("ignore")

# Beside the defaults: every kernel, strategy, solver and kind of slot, and cheap
# settings where the default is slow.
VARIANTS = {
    TransferClassifier: [
        TransferClassifier(LogisticRegression(), MMDAligner()),
        TransferClassifier(LogisticRegression(), KernelMeanMatchingWeighter()),
        TransferClassifier(
            LogisticRegression(),
            [InstanceSelector(), MMDAligner(), KernelMeanMatchingWeighter()],
        ),
        TransferClassifier(LogisticRegression(), InstanceSelector()),
    ],
    TransferRegressor: [
        TransferRegressor(Ridge(), MMDAligner()),
        TransferRegressor(Ridge(), KernelMeanMatchingWeighter()),
    ],
    MMDAligner: [
        *(
            MMDAligner(kernel=kernel)
            for kernel in ("primal", "linear", "rbf", "laplacian", "poly", "cosine")
        ),
        MMDAligner(kernel="rbf", kernel_approx="nystroem", n_landmarks=30),
        MMDAligner(conditional=True),
        MMDAligner(conditional="weighted", balance="auto"),
        MMDAligner(conditional="discriminative"),
        MMDAligner(kernel="linear", instance_sparsity=True),
    ],
    CORALAligner: [CORALAligner(regularization=1.0)],
    LinearTransportAligner: [
        LinearTransportAligner(regularization=0.0),
        LinearTransportAligner(reference="barycenter"),
    ],
    OptimalTransportAligner: [
        *(
            OptimalTransportAligner(method)
            for method in ("sinkhorn", "class_lpl1", "class_l1l2", "laplace")
        ),
        OptimalTransportAligner("unbalanced", mapping="linear"),
        OptimalTransportAligner("partial", mapping="kernel"),
        OptimalTransportAligner(semi_supervised=True),
    ],
    KernelMeanMatchingWeighter: [
        KernelMeanMatchingWeighter(kernel="linear"),
        KernelMeanMatchingWeighter(upper_bound=5.0, eps=0.1),
        KernelMeanMatchingWeighter(solver="nystroem", n_landmarks=30),
    ],
    DiscriminativeWeighter: [
        DiscriminativeWeighter(LogisticRegression(), cv=2, calibration="isotonic"),
        DiscriminativeWeighter(SVC(), cv=2, calibration="sigmoid", clip=5.0),
    ],
    GaussianWeighter: [GaussianWeighter("shared", flatten=0.5)],
    DensityWeighter: [DensityWeighter("cv", max_centers=30)],
    KLIEPWeighter: [KLIEPWeighter(gamma="median", n_centers=5, clip=3.0)],
    ULSIFWeighter: [ULSIFWeighter(alpha=0.3, gamma=0.5, ridge=0.0)],
    NearestNeighborWeighter: [NearestNeighborWeighter(3, smoothing=0.0)],
    DiscrepancyWeighter: [DiscrepancyWeighter(fit_intercept=False)],
    BalancedWeighter: [BalancedWeighter(1.0)],
    InstanceSelector: [
        InstanceSelector(strategy=strategy)
        for strategy in (
            "nearest",
            "density_ratio",
            "landmarks",
            "herding",
            "agreement",
            "influence",
            "dynamic",
        )
    ],
    DomainAdaptiveSVM: [DomainAdaptiveSVM(kernel="linear")],
    EasyTransferClassifier: [EasyTransferClassifier(align=False)],
    GradualTransferClassifier: [
        GradualTransferClassifier(n_steps=3),
        GradualTransferClassifier(n_steps=2, split="classifier"),
    ],
    JointTransportClassifier: [
        JointTransportClassifier(method="sinkhorn", regularization=0.5),
        JointTransportClassifier(SVC(kernel="linear", random_state=0), loss="hinge"),
    ],
    JointTransportRegressor: [JointTransportRegressor(method="sinkhorn")],
    LabelShiftWeighter: [
        LabelShiftWeighter(method="em"),
        LabelShiftWeighter(method="kmm", clip=2.0, flatten=0.5),
    ],
    LabelTransportClassifier: [
        LabelTransportClassifier(method="emd"),
        LabelTransportClassifier(method="jcpot"),
    ],
    SelfTrainedTransferClassifier: [
        SelfTrainedTransferClassifier(source_decay=0.8, balanced=False)
    ],
    SharedMultiTaskClassifier: [
        SharedMultiTaskClassifier(sharing) for sharing in ("low_rank", "group_sparse")
    ],
    SharedMultiTaskRegressor: [
        SharedMultiTaskRegressor(sharing) for sharing in ("low_rank", "group_sparse")
    ],
    TrAdaBoostClassifier: [TrAdaBoostClassifier(dynamic=True, n_estimators=10)],
    TrAdaBoostRegressor: [
        TrAdaBoostRegressor(
            Ridge(), n_estimators=3, two_stage=True, n_steps=3, n_folds=2
        )
    ],
    TransferForestClassifier: [
        TransferForestClassifier(method=method, n_estimators=5)
        for method in ("ser", "strut")
    ],
    TransferTreeClassifier: [
        TransferTreeClassifier(method=method) for method in ("strut", "mix")
    ],
    FineTunedClassifier: [FineTunedClassifier(trainable="all")],
    FineTunedRegressor: [FineTunedRegressor(trainable="all")],
}


# Ordinary transformers, which know no domains: scikit-learn's checks are theirs.
DOMAIN_BLIND = (
    ImagePreprocessor,
    MelSpectrogram,
    PretrainedFeatures,
    SentenceTokenizer,
)


def public_estimators():
    """Every public estimator class, found by walking the package."""
    found = set()
    walked = pkgutil.walk_packages(sktransfer.__path__, prefix="sktransfer.")
    public = [item.name for item in walked if "._" not in item.name]
    modules = [importlib.import_module(name) for name in public]
    for module in [sktransfer, *modules]:
        for name, item in vars(module).items():
            if (
                inspect.isclass(item)
                and issubclass(item, BaseEstimator)
                and not inspect.isabstract(item)
                and hasattr(item, "fit")  # regularizers are settings of an estimator
                and not name.startswith("_")
                and item.__module__.startswith("sktransfer")
                and item not in (BaseAligner, BaseSelector, BaseWeighter)
            ):
                found.add(item)
    return sorted(found, key=lambda item: item.__name__)


def instances():
    for estimator in public_estimators():
        yield estimator()
        yield from VARIANTS.get(estimator, [])


def is_deep(estimator):
    return type(estimator).__module__.startswith("sktransfer.deep")


def test_every_public_estimator_is_found():
    names = {estimator.__name__ for estimator in public_estimators()}
    assert {
        "FineTunedClassifier",
        "FineTunedRegressor",
        "InstanceSelector",
        "KernelMeanMatchingWeighter",
        "MMDAligner",
        "TransferClassifier",
        "TransferRegressor",
    } <= names


def test_every_public_estimator_is_at_the_top():
    for estimator in public_estimators():
        assert getattr(sktransfer, estimator.__name__) is estimator


with warnings.catch_warnings():
    # Images, texts and clips are no tables: scikit-learn warns that few checks apply.
    warnings.simplefilter("ignore", SkipTestWarning)
    scikit_learn_checks = parametrize_with_checks(list(instances()))


@scikit_learn_checks
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check
        for item in instances()
        if not isinstance(item, DOMAIN_BLIND)
        for check in yield_transfer_checks(item)
    ],
    ids=repr,
)
def test_promise(check):
    check()


def test_only_ordinary_transformers_take_no_domain():
    blind = [
        cls
        for cls in public_estimators()
        if "sample_domain" not in inspect.signature(cls.fit).parameters
    ]
    assert tuple(blind) == DOMAIN_BLIND


def test_public_estimators_are_final():
    public = public_estimators()
    for estimator in public:
        heirs = [other for other in public if issubclass(other, estimator)]
        assert heirs == [estimator]


METHODS = ("fit", "partial_fit", "transform", "predict", "predict_proba")
METHODS += ("predict_log_proba", "decision_function", "score")


@pytest.mark.parametrize("estimator", public_estimators(), ids=lambda c: c.__name__)
def test_sample_domain_is_requested_wherever_it_is_taken(estimator):
    routing = estimator().get_metadata_routing()
    for name in METHODS:
        method = getattr(estimator, name, None)
        if (
            method is not None
            and "sample_domain" in inspect.signature(method).parameters
        ):
            assert routing.consumes(name, ["sample_domain"]), name


CHECKS_THAT_FIT = (
    "array_api",
    "check_estimators_dtypes",
    "check_estimator_sparse",
    "check_classifiers_train",
    "check_regressors_train",
    "check_transformer_general",
    "check_dict_unchanged",
    "check_dataframe_column_names",
)


@pytest.mark.slow
def test_with_scipy_array_api():
    # The variable must be set before scipy is imported, hence another process. It
    # changes what scipy's functions take: checks that fit, predict and transform every
    # kind of input find that out; the others would only repeat themselves.
    if os.environ.get("SCIPY_ARRAY_API") == "1":
        pytest.skip("this is that process")
    tests = [f"{__file__}::test_scikit_learn", "-q", "-p", "no:cacheprovider"]
    tests += ["-k", " or ".join(CHECKS_THAT_FIT)]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *tests],
        env={**os.environ, "SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    assert "skipped" not in run.stdout.splitlines()[-1], run.stdout[-3000:]


def test_import_needs_no_torch():
    code = (
        "import sys, sktransfer; "
        "loaded = [m for m in ('torch', 'skorch', 'matplotlib') "
        "if m in sys.modules]; assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_name_at_the_top():
    with pytest.raises(AttributeError, match="NoSuchMethod"):
        _ = sktransfer.NoSuchMethod
    assert set(sktransfer.__all__) <= set(dir(sktransfer))
    assert np.all([hasattr(sktransfer, name) for name in sktransfer.__all__])


@pytest.mark.parametrize("estimator", public_estimators(), ids=lambda c: c.__name__)
def test_sample_domain_is_taken_wherever_fit_takes_it(estimator):
    if estimator in DOMAIN_BLIND:
        return
    for name in ("fit", "transform", "predict", "score"):
        method = getattr(estimator, name, None)
        if method is not None:
            assert "sample_domain" in inspect.signature(method).parameters, name
