"""Which of the three lists a folder's or a cell's name stands for: "train", "Training_Set", "test images", "validación"."""

from __future__ import annotations

import re
import unicodedata

from retrain.nouns import TESTING, TRAINING, VALIDATION

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
    found = set()
    for word in re.split(r"[\W_\d]+", _plain(name)):
        if not word or word in _FILLERS:
            continue
        which = _LIST_OF.get(word)
        glued = _GLUED.fullmatch(word) if which is None else None
        which = _LIST_OF.get(glued["word"]) if glued else which
        if which is None:
            return None
        found.add(which)
    return found.pop() if len(found) == 1 else None
