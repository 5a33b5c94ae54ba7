"""The Amazon reviews of four domains as tf-idf of words and pairs of words."""

import gzip
import json

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tests.shared_data import shared_file

__all__ = ["AMAZON_TASKS", "amazon_domains", "amazon_scores"]

NAMES = {"B": "books", "D": "dvd", "E": "electronics", "K": "kitchen"}
AMAZON_TASKS = [f"{s}-{t}" for s in NAMES for t in NAMES if s != t]


def amazon_domains(n_features=5000):
    """Return rows and labels by letter; the vocabulary is that of all domains."""
    texts, labels = {}, {}
    for letter, name in NAMES.items():
        path = shared_file(f"amazon_reviews/{name}.jsonl.gz")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            reviews = [json.loads(line) for line in file]
        texts[letter] = [f"{review['title']}. {review['text']}" for review in reviews]
        labels[letter] = np.array([review["label"] for review in reviews])
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), max_features=n_features)
    vectorizer.fit([text for domain in texts.values() for text in domain])
    return {key: (vectorizer.transform(texts[key]), labels[key]) for key in texts}


def amazon_scores(aligner, domains):
    """Accuracy by task of logistic regression, full source and full target."""
    scores = {}
    for task in AMAZON_TASKS:
        (X_source, y_source), (X_target, y_target) = domains[task[0]], domains[task[2]]
        X = sparse.vstack([X_source, X_target]).tocsr()
        if aligner is not None:
            y = np.r_[y_source, np.full(len(y_target), -1)]
            X = aligner.fit_transform(X, y)
        model = LogisticRegression(C=3.0, max_iter=500)
        model.fit(X[: len(y_source)], y_source)
        scores[task] = model.score(X[len(y_source) :], y_target)
    return scores
