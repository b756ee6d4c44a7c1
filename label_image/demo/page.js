() => {
  // Some buttons of Gradio's gallery have no name for screen readers, and one button is inside another; this corrects both.
  const mend = () => {
    for (const button of document.querySelectorAll('#photos button[aria-label="common.webcam"]')) {
      button.setAttribute("aria-label", "Take a photo with the camera");
      button.title = "Take a photo with the camera";
    }
    for (const input of document.querySelectorAll('#photos input[type="file"][accept]')) {
      input.removeAttribute("accept"); // it would hide photos of types that the browser does not know
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
  // Browsers report no type for some photos (HEIC, AVIF, TIFF), and Gradio accepts only the types image/ and video/. Every file is
  // declared to be an image here; label_image checks its content.
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
