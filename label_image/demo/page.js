() => {
  // Gradio's gallery gives some of its buttons no name that a screen reader could say, and puts one button into another.
  const mend = () => {
    for (const button of document.querySelectorAll('#photos button[aria-label="common.webcam"]')) {
      button.setAttribute("aria-label", "Take a photo with the camera");
      button.title = "Take a photo with the camera";
    }
    for (const inner of document.querySelectorAll("#photos button button")) {
      const outer = inner.parentElement.closest("button");
      if (outer.getAttribute("role") !== "group") {
        outer.setAttribute("role", "group");
        outer.tabIndex = -1;
        inner.setAttribute("aria-label", "Add photos");
      }
    }
  };
  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true, attributeFilter: ["aria-label"] });
  mend();
}
