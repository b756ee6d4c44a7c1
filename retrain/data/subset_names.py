"""Which of the three lists a folder's or a cell's name stands for: "train", "Training_Set", "test images", "validación"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from retrain.types import TESTING, TRAINING, VALIDATION

# English as data sets on Kaggle and of libraries spell it, and the words of other languages that cannot mean anything else.
_WORDS = {
    TRAINING: "train training trn trainval entrainement apprentissage entrenamiento treino treinamento addestramento "
    "trening treningowy обучение обучающая тренировка 训练 训练集 訓練 訓練集 学習 학습 훈련",
    VALIDATION: "val valid validation validate valset dev devel development eval evaluation validierung validacion validacao "
    "validazione convalida validatie walidacja валидация проверка 验证 验证集 驗證 検証 검증",
    TESTING: "test testing tst holdout teste prueba pruebas prova testowy тест тестирование 测试 测试集 測試 テスト 테스트 시험",
}
# What stands beside the word that names the list.
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
    """The text in lower case and without accents; words of CamelCase apart.

    >>> _plain("TrainImages"), _plain("validación")
    ('train images', 'validacion')
    """
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()


_LIST_OF = {_plain(word): which for which, words in _WORDS.items() for word in words.split()}


def list_of_name(name: str) -> int | None:
    """The list that a name stands for: TRAINING, VALIDATION, TESTING; None where it stands for none, or for two.

    >>> [list_of_name(name) for name in ("Train", "test_images", "valset", "train2017", "contest", "train and test")]
    [0, 2, 1, 0, None, None]
    """
    which, rest = _read(name)
    return None if rest else which


def lists_of_names(names: Iterable[str]) -> dict[str, int]:
    """The names of folders beside each other that stand for a list -> the list.

    They do alone ("train"), or together: "asl_train" and "asl_test" differ in nothing but the list.

    >>> lists_of_names(["asl_alphabet_train", "asl_alphabet_test", "other"])
    {'asl_alphabet_train': 0, 'asl_alphabet_test': 2}
    >>> lists_of_names(["bullet_train", "steam_train"]), lists_of_names(["trainA", "testA", "trainB", "testB"])
    ({}, {})
    """
    read = {name: _read(name) for name in names}
    alone = {name: which for name, (which, rest) in read.items() if which is not None and not rest}
    together = _groups(read)
    if alone or len(together) != 1 or len(set(together[0].values())) < len(together[0]):
        return alone
    return together[0]


def list_pairs(names: Iterable[str]) -> list[list[str]]:
    """Names that differ in nothing but the list they name, one group for each of what is left of them.

    >>> list_pairs(["cat_train", "dog_train", "cat_test", "dog_test", "bullet_train"])
    [['cat_train', 'cat_test'], ['dog_train', 'dog_test']]
    """
    return [list(group) for group in _groups({name: _read(name) for name in names})]


def _groups(read: Mapping[str, tuple[int | None, tuple[str, ...]]]) -> list[dict[str, int]]:
    groups: dict[tuple[str, ...], dict[str, int]] = {}
    for name, (which, rest) in read.items():
        if which is not None and rest:
            groups.setdefault(rest, {})[name] = which
    return [group for group in groups.values() if TRAINING in group.values() and len(set(group.values())) > 1]


def same_list(name: str, other: str) -> bool:
    """Whether two names stand for one list of one set, as of archives that hold training_set/training_set/.

    >>> same_list("training_set", "Training"), same_list("asl_train", "asl_train"), same_list("asl_train", "train")
    (True, True, True)
    """
    (which, rest), (its, its_rest) = _read(name), _read(other)
    return which is not None and which == its and its_rest in ((), rest)


def _read(name: str) -> tuple[int | None, tuple[str, ...]]:
    """(the list that words of a name stand for; None for none, or for two; its words that stand for nothing)."""
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
