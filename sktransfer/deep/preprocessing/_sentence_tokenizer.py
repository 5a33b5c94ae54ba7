import warnings

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted

from sktransfer._validation import check_integer
from sktransfer.deep.preprocessing._checked_texts import checked_texts
from sktransfer.deep.preprocessing._load_tokenizer import load_tokenizer, pad_id_of
from sktransfer.deep.preprocessing._token_ids import token_ids
from sktransfer.exceptions import TruncationWarning

__all__ = ["SentenceTokenizer"]


class SentenceTokenizer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Texts as rows of token ids for a pretrained language model.

    Every text is split into the tokens that the model was trained with, special tokens
    included, and filled up at the end to `max_length` ids. The width is fixed, so that
    the row of a text does not depend on the texts beside it; models mask what is filled
    up (`pad_token_id_`) themselves. X is a list, a Series or an array of strings.

    Assumes nothing of the domains: a row depends on its text alone. Reads no labels.

    Cost: about a second for 10,000 sentences, and 8 bytes for each id. It hurts where
    the tokenizer is not the one of the model.

    Parameters
    ----------
    tokenizer : str, path-like or tokenizer of transformers
        Name on the Hugging Face hub, folder that holds it, or the tokenizer itself,
        which is copied. A folder is read without network.
    max_length : int, default=128
        Number of ids in a row, special tokens included. Longer texts are cut, with a
        `TruncationWarning`.

    Attributes
    ----------
    tokenizer_ : PreTrainedTokenizerBase
        The tokenizer.
    pad_token_id_ : int
        The id after the end of a text: that of padding or, if the tokenizer has none,
        of the end of a text.
    vocabulary_size_ : int
        Number of tokens of the tokenizer, added ones included.

    See Also
    --------
    PretrainedFeatures : What a network makes of such rows.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import PreTrainedTokenizerFast
    >>> from sktransfer.deep import SentenceTokenizer
    >>> words = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "book": 4}
    >>> model = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    >>> model.pre_tokenizer = pre_tokenizers.Whitespace()
    >>> tokenizer = PreTrainedTokenizerFast(
    ...     tokenizer_object=model, pad_token="[PAD]", unk_token="[UNK]"
    ... )
    >>> texts = ["good book", "bad", "bad new book"]
    >>> SentenceTokenizer(tokenizer, max_length=4).fit_transform(texts)
    array([[2, 4, 0, 0],
           [3, 0, 0, 0],
           [3, 1, 4, 0]])
    """

    # A default, for scikit-learn makes estimators without arguments; `fit` asks for it.
    def __init__(self, tokenizer=None, *, max_length=128):
        self.tokenizer = tokenizer
        self.max_length = max_length

    def fit(self, X, y=None):
        """Load the tokenizer; nothing is learned from the texts.

        Parameters
        ----------
        X : array-like of str
            Texts, one for each row.
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        check_integer("max_length", self.max_length, low=1)
        checked_texts(X)
        tokenizer = load_tokenizer(self.tokenizer)
        longest = tokenizer.model_max_length
        if self.max_length > longest:
            raise ValueError(
                f"max_length={self.max_length} is more than the model of the tokenizer "
                f"takes, {longest}. Lower it."
            )
        n_special = tokenizer.num_special_tokens_to_add()
        if self.max_length <= n_special:
            raise ValueError(
                f"max_length={self.max_length} leaves no room for a text beside "
                f"{n_special} special tokens. Raise it."
            )
        self.pad_token_id_ = pad_id_of(tokenizer)
        self.vocabulary_size_ = len(tokenizer)
        self.tokenizer_ = tokenizer
        self._n_features_out = self.max_length
        return self

    def transform(self, X):
        """Return the ids of the tokens of texts.

        Parameters
        ----------
        X : array-like of str
            Texts, one for each row.

        Returns
        -------
        ndarray of shape (n_samples, max_length)
            int64, `pad_token_id_` after the end of a text.

        Warns
        -----
        TruncationWarning
            If texts were cut, once for all of them.
        """
        check_is_fitted(self)
        texts = checked_texts(X)
        width = self._n_features_out
        ids, n_tokens = token_ids(self.tokenizer_, texts, width, self.pad_token_id_)
        nothing = n_tokens <= self.tokenizer_.num_special_tokens_to_add()
        if nothing.any():
            row = int(np.argmax(nothing))
            raise ValueError(
                f"X must have a text in each row, but the tokenizer finds no token in "
                f"row {row}: {texts[row]!r}. Leave such rows out, or put a word in "
                "their place."
            )
        n_cut = int((n_tokens > width).sum())
        if n_cut:
            warnings.warn(
                f"{n_cut} of {len(texts)} texts have more than {width} tokens and were "
                f"cut; the longest has {n_tokens.max()}. Raise `max_length` to keep "
                "them whole ('#max_length=256' after the name of a backbone), or split "
                "them into rows.",
                TruncationWarning,
                stacklevel=3,
            )
        return ids

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # As the text vectorizers: scikit-learn's checks pass tables of numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
