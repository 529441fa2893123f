"""Only what our own models contain is loaded."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from core.errors import ModelError
from core.methods.skops_files import load_estimators, save_estimators


def test_estimators_come_back(tmp_path):
    texts = ["good day", "bad day", "good night", "bad night"]
    vectorizer = TfidfVectorizer(dtype=np.float32).fit(texts)
    classifier = LinearSVC().fit(vectorizer.transform(texts), [1, 0, 1, 0])
    save_estimators([classifier, vectorizer], tmp_path / "m.skops")
    again, words = load_estimators(tmp_path / "m.skops")
    assert again.predict(words.transform(texts)).tolist() == [1, 0, 1, 0]


def test_an_estimator_that_calls_functions_is_refused(tmp_path):
    import skops.io

    skops.io.dump([FunctionTransformer(np.exp)], tmp_path / "evil.skops")
    with pytest.raises(ModelError, match="FunctionTransformer"):
        load_estimators(tmp_path / "evil.skops")
    with pytest.raises(ModelError):
        save_estimators([FunctionTransformer(np.exp)], tmp_path / "evil.skops")


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"PK\x03\x04 broken"])
def test_damaged_files_and_pickles_are_refused(content, tmp_path):
    (tmp_path / "m.skops").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_estimators(tmp_path / "m.skops")
