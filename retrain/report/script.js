"use strict";
// Shows the pictures, which the page contains once each, and opens the cells of the confusion matrix.
const { pictures, cells } = JSON.parse(document.getElementById("data").textContent);
const dialog = document.querySelector("dialog");

function show(place, number) {
  if (number >= 0 && pictures[number]) {
    place.src = pictures[number];
    return;
  }
  const gone = document.createElement("span");
  gone.className = "gone";
  gone.textContent = "not shown";
  place.replaceWith(gone);
}

function item([number, photo, score]) {
  const [entry, figure, picture, caption] = ["li", "figure", "img", "figcaption"].map((tag) => document.createElement(tag));
  const name = document.createElement("bdi");
  name.className = "file";
  name.textContent = photo;
  picture.alt = "";
  picture.width = picture.height = 128;
  caption.append(`score ${(score * 100).toFixed(1)} %`, document.createElement("br"), name);
  figure.append(picture, caption);
  entry.append(figure);
  show(picture, number);
  return entry;
}

function open(button) {
  const photos = cells[button.dataset.cell] || [];
  const count = Number(button.querySelector("data").value);
  const list = document.getElementById("dialog-photos");
  document.getElementById("dialog-title").textContent = button.getAttribute("aria-label").replace(/: show$/, "");
  document.getElementById("dialog-more").textContent =
    photos.length < count ? `${photos.length} of ${count} photos are shown; all are in run.json.` : "";
  list.replaceChildren(...photos.map(item));
  dialog.showModal();
  dialog.scrollTop = 0;
}

document.querySelectorAll("img[data-picture]").forEach((place) => show(place, Number(place.dataset.picture)));
document.querySelectorAll("button[data-cell]").forEach((button) => button.addEventListener("click", () => open(button)));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
