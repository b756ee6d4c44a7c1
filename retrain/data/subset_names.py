"""Recognises names of folders and table cells that stand for a subset: "train", "Training_Set", "test images", "validación"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from retrain.types import TESTING, TRAINING, VALIDATION

# The English words that data sets of Kaggle and of libraries use, and words of other languages that have only this meaning.
_WORDS = {
    TRAINING: "train training trn trainval entrainement apprentissage entrenamiento treino treinamento addestramento "
    "trening treningowy обучение обучающая тренировка 训练 训练集 訓練 訓練集 学習 학습 훈련",
    VALIDATION: "val valid validation validate valset dev devel development eval evaluation validierung validacion validacao "
    "validazione convalida validatie walidacja валидация проверка 验证 验证集 驗證 検証 검증",
    TESTING: "test testing tst holdout teste prueba pruebas prova testowy тест тестирование 测试 测试集 測試 テスト 테스트 시험",
}
# Words that may stand beside the word for the subset.
_FILLERS = frozenset(
    [
        "set",
        "sets",
        "data",
        "dataset",
        "datasets",
        "image",
        "images",
        "img",
        "imgs",
        "photo",
        "photos",
        "picture",
        "pictures",
        "pics",
        "dir",
        "folder",
        "split",
        "subset",
        "seg",
        "jpg",
        "jpeg",
        "png",
        "raw",
        "resized",
        "cropped",
        "sample",
        "samples",
        "files",
        "bilder",
        "fotos",
        "imagenes",
    ]
)
_GLUED = re.compile(rf"(?P<word>\w+?)(?:{'|'.join(sorted(_FILLERS, key=len, reverse=True))})")


def _plain(text: str) -> str:
    """Returns the text in lower case and without accents, with words of CamelCase separated.

    >>> _plain("TrainImages"), _plain("validación")
    ('train images', 'validacion')
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


_LIST_OF = {_plain(word): which for which, words in _WORDS.items() for word in words.split()}


def subset_of_name(name: str) -> int | None:
    """Returns the subset that a name stands for: TRAINING, VALIDATION or TESTING; None if it stands for none or two.

    >>> [subset_of_name(name) for name in ("Train", "test_images", "valset", "train2017", "contest", "train and test")]
    [0, 2, 1, 0, None, None]
    """
    which, rest = _read(name)
    return None if rest else which


def subsets_of_names(names: Iterable[str]) -> dict[str, int]:
    """Returns the names of folders in one place that stand for a subset, with the subset of each.

    A name may do so alone ("train"), or together with others: "asl_train" and "asl_test" differ only in the subset.

    >>> subsets_of_names(["asl_alphabet_train", "asl_alphabet_test", "other"])
    {'asl_alphabet_train': 0, 'asl_alphabet_test': 2}
    >>> subsets_of_names(["bullet_train", "steam_train"]), subsets_of_names(["trainA", "testA", "trainB", "testB"])
    ({}, {})
    """
    read = {name: _read(name) for name in names}
    alone = {name: which for name, (which, rest) in read.items() if which is not None and not rest}
    together = _groups(read)
    if alone or len(together) != 1 or len(set(together[0].values())) < len(together[0]):
        return alone
    return together[0]


def subset_pairs(names: Iterable[str]) -> list[list[str]]:
    """Groups the names that differ only in the subset that they stand for.

    >>> subset_pairs(["cat_train", "dog_train", "cat_test", "dog_test", "bullet_train"])
    [['cat_train', 'cat_test'], ['dog_train', 'dog_test']]
    """
    return [list(group) for group in _groups({name: _read(name) for name in names})]


def _groups(read: Mapping[str, tuple[int | None, tuple[str, ...]]]) -> list[dict[str, int]]:
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for name, (which, rest) in read.items():
        if which is not None and rest:
            groups.setdefault(rest, {})[name] = which
    return [group for group in groups.values() if TRAINING in group.values() and len(set(group.values())) > 1]


def same_subset(name: str, other: str) -> bool:
    """Whether two names stand for the same subset of one data set, as in archives with training_set/training_set/.

    >>> same_subset("training_set", "Training"), same_subset("asl_train", "asl_train"), same_subset("asl_train", "train")
    (True, True, True)
    """
    (which, rest), (its, its_rest) = _read(name), _read(other)
    return which is not None and which == its and its_rest in ((), rest)


def _read(name: str) -> tuple[int | None, tuple[str, ...]]:
    """Returns (the subset that words of a name stand for, or None for none or two; its remaining words)."""
    found, rest = set(), []
    for word in re.split(r"[\W_\d]+", _plain(name)):
        if not word or word in _FILLERS:
            continue
        which = _LIST_OF.get(word)
        glued = _GLUED.fullmatch(word) if which is None else None
        which = _LIST_OF.get(glued["word"]) if glued else which
        if which is None:
            rest.append(word)
        else:
            found.add(which)
    return found.pop() if len(found) == 1 else None, tuple(rest)
