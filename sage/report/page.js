"use strict";
// The time under the pointer, on the timeline. Everything else on the page works without a script.
(() => {
  const panel = document.getElementById("timeline");
  const drawing = panel && panel.querySelector("svg");
  if (!drawing) return;
  const cursor = document.createElement("div");
  const label = document.createElement("b");
  cursor.className = "cursor";
  cursor.setAttribute("aria-hidden", "true");
  cursor.append(label);
  panel.append(cursor);
  const [left, right, width, duration] = ["left", "right", "width", "duration"].map((name) =>
    Number(panel.dataset[name]));
  panel.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * width;
    const seconds = ((x - left) / (right - left)) * duration;
    if (seconds < 0 || seconds > duration) { cursor.style.opacity = 0; return; }
    const minutes = Math.floor(seconds / 60);
    label.textContent = `${minutes}:${(seconds - 60 * minutes).toFixed(1).padStart(4, "0")}`;
    cursor.style.left = `${event.clientX - panel.getBoundingClientRect().left}px`;
    cursor.style.opacity = 1;
  });
  panel.addEventListener("pointerleave", () => { cursor.style.opacity = 0; });
})();
