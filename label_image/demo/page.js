() => {
  // Gradio's gallery gives some of its buttons no name that a screen reader could say, and puts one button into another.
  const mend = () => {
    for (const button of document.querySelectorAll('#photos button[aria-label="common.webcam"]')) {
      button.setAttribute("aria-label", "Take a photo with the camera");
      button.title = "Take a photo with the camera";
    }
    for (const input of document.querySelectorAll('#photos input[type="file"][accept]')) {
      input.removeAttribute("accept"); // it would hide photos of a type that the browser does not know
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
  // Browsers know some photos by no type (HEIC, AVIF, TIFF), and Gradio takes those that are called image/ or video/ only. What a
  // file holds is for the labeller to say, so every file is called a picture.
  const known = (file) => /^(image|video)\//.test(file.type);
  const carried = (files) => {
    const all = new DataTransfer();
    for (const file of files) {
      all.items.add(known(file) ? file : new File([file], file.name, { type: "image/unknown" }));
    }
    return all;
  };
  const strange = (event, files) => event.target.closest?.("#photos") && [...(files ?? [])].some((file) => !known(file));
  document.addEventListener("drop", (event) => {
    if (strange(event, event.dataTransfer?.files)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      const again = { bubbles: true, cancelable: true, dataTransfer: carried(event.dataTransfer.files) };
      event.target.dispatchEvent(new DragEvent("drop", again));
    }
  }, true);
  document.addEventListener("change", (event) => {
    if (event.target.type === "file" && strange(event, event.target.files)) {
      event.target.files = carried(event.target.files).files;
    }
  }, true);

  new MutationObserver(mend).observe(document.body, { childList: true, subtree: true, attributeFilter: ["aria-label", "accept"] });
  mend();
}
