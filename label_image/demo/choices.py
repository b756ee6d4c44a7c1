"""Lists the classifiers that the page offers, and loads the one in use."""

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
    """Lists the classifiers to choose from, the one in use first: --graph, then those in tf_files.

    Those that need something that is not installed are left out.

    Raises:
      UserError: there is no classifier.
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
    """A classifier that is ready to label photos."""

    classifier: Classifier
    explainer: Explainer | None
    note: str  # what is guessed about it, and why there is no heat map; "" if there is nothing to report


class ClassifierCache:
    """Loads classifiers on request, keeps the last one, and loads it again when its file has changed.

    Args:
      graph: the classifier that `labels` belongs to.
      labels: a labels file; "" uses the labels inside the classifier.
      insist: whether to use the labels file even if it contradicts the labels inside.
    """

    def __init__(self, graph: str = "", labels: str = "", *, insist: bool = False) -> None:
        self._graph, self._typed = graph, Overrides(labels=labels, insist=insist)
        self._key: tuple[str, Stamp] | None = None
        self._loaded: LoadedClassifier | None = None

    def load(self, path: str) -> LoadedClassifier:
        """Returns the classifier at that path.

        Raises:
          UserError: it cannot be used.
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
