"""A folder in, the classifiers that the page offers out; and the one that is in use, ready to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from label_image.classifier import DEFAULT_GRAPHS, Classifier, default_graph
from label_image.describe import one_line
from label_image.explainer import Explainer
from label_image.find_metadata import Overrides
from label_image.heatmap import NoExactMap
from label_image.model_file import Stamp, stamp
from label_image.model_kinds.table import MODEL_KINDS


def choices(graph: str) -> list[str]:
    """The classifiers to choose from, the first in use: --graph, then what lies in tf_files.

    What this machine cannot run, since something that it needs is not installed, is left out.

    Raises:
      UserError: there is none.
    """
    first = graph or str(default_graph())
    folder = Path(DEFAULT_GRAPHS[0]).parent
    found = [str(path) for path in sorted(folder.glob("*")) if _runs_here(path)] if folder.is_dir() else []
    return [first, *(path for path in found if path != first)]


def _runs_here(path: Path) -> bool:
    for row in MODEL_KINDS:
        is_one = (path / row.inside).is_file() if row.inside else path.is_file() and path.suffix.lower() in row.suffixes
        if is_one:
            return row.runs_here and not path.name.startswith(".")
    return False


@dataclass(frozen=True)
class LoadedClassifier:
    """A classifier in use."""

    classifier: Classifier
    explainer: Explainer | None
    note: str  # what had to be guessed of it, and why there is no heat map; "" where there is nothing to say


class ClassifierCache:
    """Opens classifiers when they are asked for, and keeps the last one; opens it again when its file has changed.

    Args:
      graph: the one that `labels` belongs to.
      labels: a labels file; "" takes those inside.
      insist: take it also where it contradicts those inside.
    """

    def __init__(self, graph: str = "", labels: str = "", *, insist: bool = False) -> None:
        self._graph, self._typed = graph, Overrides(labels=labels, insist=insist)
        self._key: tuple[str, Stamp] | None = None
        self._loaded: LoadedClassifier | None = None

    def load(self, path: str) -> LoadedClassifier:
        """The classifier at that path.

        Raises:
          UserError: it can not be used; one line says why.
        """
        key = (path, stamp(Path(path)))
        if self._loaded is None or key != self._key:
            self._loaded, self._key = self._opened(path), key
        return self._loaded

    def _opened(self, path: str) -> LoadedClassifier:
        typed = self._typed if path == self._graph else Overrides()
        classifier = Classifier(path, typed)
        said = one_line(classifier.metadata)
        try:
            return LoadedClassifier(classifier, Explainer(classifier), said)
        except NoExactMap as problem:
            return LoadedClassifier(classifier, None, " ".join(filter(None, (said, f"{problem}."))))
