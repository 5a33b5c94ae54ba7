"""scikit-learn's own callbacks, through the meta-estimators to what they contain."""

import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import TargetKFold, TransferClassifier, TransferRegressor
from sktransfer.utils._check_data import shifted_data
from tests.adapters import ByFirstColumn, Centerer


@pytest.fixture
def data():
    return shifted_data()


def monitored():
    monitor = ScoringMonitor(scoring="neg_log_loss")
    return LogisticRegression().set_callbacks(monitor), monitor


def test_progress_bar_shows_the_estimator_inside(data, capsys):
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    bar = ProgressBar(max_propagation_depth=None)
    model = TransferClassifier(inner, Centerer()).set_callbacks(bar)
    model.fit(data.X, data.y, sample_domain=data.domain)
    shown = capsys.readouterr().out
    for name in ("TransferClassifier - fit", "Pipeline - fit", "LogisticRegression"):
        assert name in shown
    assert "100%" in shown


def test_progress_bar_of_a_regressor(capsys):
    data = shifted_data(regression=True)
    model = TransferRegressor(Ridge(), Centerer()).set_callbacks(ProgressBar())
    with pytest.warns(UserWarning, match="Ridge does not support callbacks"):
        model.fit(data.X, data.y, sample_domain=data.domain)
    shown = capsys.readouterr().out
    assert "TransferRegressor - fit" in shown
    assert "100%" in shown


def test_progress_bar_of_a_search_shows_each_fit(data, capsys):
    model = TransferClassifier(LogisticRegression())
    grid = {"adapter": [None, Centerer()]}
    search = GridSearchCV(model, grid, cv=TargetKFold(2)).set_callbacks(ProgressBar())
    search.fit(data.X, data.y, sample_domain=data.domain, groups=data.domain)
    shown = capsys.readouterr().out
    assert "candidate-split-evaluation | TransferClassifier - fit #3" in shown
    assert "refit-with-best-params | TransferClassifier" in shown


def test_scoring_monitor_scores_the_estimator_inside(data):
    inner, monitor = monitored()
    model = TransferClassifier(inner, [Centerer(), ByFirstColumn()])
    model.fit(data.X, data.y, sample_domain=data.domain)
    log = monitor.get_logs(include_lineage=True)
    assert log.estimator_name == "TransferClassifier"
    scores = log.data_as_pandas["neg_log_loss"].dropna().to_numpy()
    # The whole fit comes first, then each step of the solver.
    whole, steps = scores[0], scores[1:]
    assert len(steps) == model.estimator_.n_iter_[0]
    assert steps[0] < steps[-1] == whole


def test_scoring_monitor_deep_inside(data):
    inner, monitor = monitored()
    model = TransferClassifier(make_pipeline(StandardScaler(), inner), Centerer())
    model.fit(data.X, data.y, sample_domain=data.domain)
    assert monitor.get_logs().estimator_name == "TransferClassifier"
