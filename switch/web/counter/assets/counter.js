// What the counter's page does beside its forms. It decides nothing: each form works
// without it, and what is paid is decided by an id on the counter's disk.
"use strict";

// A key that is held down does what it did once, and no more.
document.addEventListener("keydown", (event) => {
  if (event.repeat && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

// A form that is under way says so, and is not sent again by this page.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.once) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  const button = form.querySelector("button.main");
  if (button) {
    button.setAttribute("aria-disabled", "true");
    button.textContent = form.dataset.once;
  }
});

// Back to a page that the browser has kept: its form may be looked at and sent again.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

// Only a print that is noted has the paper: of the browser's own nobody would know.
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-print]")) return;
  document.body.classList.add("printing");
  window.print();
});
window.addEventListener("afterprint", () => document.body.classList.remove("printing"));

// Down from the search goes into what was found, and up again.
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...document.querySelectorAll("#services a")];
  const at = links.indexOf(document.activeElement);
  const search = document.getElementById("q");
  if (!links.length || (at < 0 && document.activeElement !== search)) return;
  event.preventDefault();
  const next = at + (event.key === "ArrowDown" ? 1 : -1);
  (next < 0 ? search : links[Math.min(next, links.length - 1)]).focus();
});

// The counter's own program has gone: nothing that this page shows is of now.
function tellDown(isDown) {
  const place = document.getElementById("page-down");
  if (!place) return;
  place.hidden = !isDown;
  place.textContent = isDown ? place.dataset.text : "";
}
document.addEventListener("htmx:sendError", () => tellDown(true));
document.addEventListener("htmx:timeout", () => tellDown(true));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) tellDown(false);
});

// The counter was started anew, or its operator has left: what the page shows stays.
document.addEventListener("htmx:afterRequest", (event) => {
  const place = document.getElementById("signed-off");
  if (!place || event.detail.elt.id !== "state" || !event.detail.xhr.status) return;
  place.hidden = !event.detail.xhr.getResponseHeader("X-Signed-Off");
});
