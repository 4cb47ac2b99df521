"use strict";

const filters = document.querySelector(".filters");
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// What can be filtered: cards, and the scores, rows, pictures and experiments that stand in one.
const items = all("[data-experiments]");
const holders = all("[data-claims], [data-pictures], [data-jobs]");

function chosen() {
  const form = new FormData(filters);
  return {
    experiment: form.get("experiment"),
    source: form.get("source") || "",
    verdicts: form.getAll("verdict"),
    text: form.get("text").trim().toLowerCase(),
  };
}

function rowSays(row, verdicts) {
  const verdictsOfRow = all("td.verdict", row).map((cell) => cell.textContent.trim());
  return !verdicts.length || verdictsOfRow.some((verdict) => verdicts.includes(verdict));
}

function applies(item, want) {
  return (
    (!want.experiment || item.dataset.experiments.split(" ").includes(want.experiment)) &&
    (!want.source || item.dataset.source === want.source) &&
    (!want.text || item.textContent.toLowerCase().includes(want.text))
  );
}

function filter() {
  const want = chosen();
  let shown = 0;
  for (const item of items) {
    let visible = applies(item, want);
    if (item.matches("tr")) {
      visible &&= rowSays(item, want.verdicts);
    } else if (item.matches(".score")) {
      visible &&= !want.verdicts.length || want.verdicts.some((verdict) => item.dataset.verdicts.includes(verdict));
    } else {
      const rows = all("tbody tr", item).filter((row) => row.querySelector("td.verdict"));
      for (const row of rows) row.hidden = !rowSays(row, want.verdicts);
      visible &&= !want.verdicts.length || rows.some((row) => !row.hidden);
    }
    item.hidden = !visible;
    if (item.matches("details")) item.open = Boolean(want.experiment) && visible;
    shown += visible && item.matches("article");
  }
  for (const holder of holders) {
    holder.hidden = !all("[data-experiments]", holder).some((item) => !item.hidden);
  }
  for (const link of all("nav a")) {
    const target = document.getElementById(link.hash.slice(1));
    link.hidden = !target || target.hidden;
  }
  filters.querySelector("output").textContent = `${shown} of ${all("article[data-experiments]").length} figures and tables`;
}

filters.addEventListener("input", filter);
filters.addEventListener("reset", () => setTimeout(filter));
filters.addEventListener("submit", (event) => event.preventDefault());
filter();

// The entry of the contents that is being read.
const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const entry of entries) links.get(entry.target.id)?.classList.toggle("here", entry.isIntersecting);
}, { rootMargin: "-30% 0px -60% 0px" });
for (const card of all(".card")) reading.observe(card);

// Tables sort by the column that is clicked.
for (const heading of all(".sortable th")) {
  heading.addEventListener("click", () => {
    const body = heading.closest("table").tBodies[0];
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => row.cells[heading.cellIndex].dataset.value ?? row.cells[heading.cellIndex].textContent.trim();
    const order = (a, b) => value(a).localeCompare(value(b), "en", { numeric: true });
    const numeric = (a, b) => Number(value(a)) - Number(value(b));
    const rows = [...body.rows];
    rows.sort(rows.every((row) => value(row) !== "" && Number.isFinite(Number(value(row)))) ? numeric : order);
    body.append(...(descending ? rows.reverse() : rows));
  });
}

// A picture opens alone, to be zoomed (wheel, + and -) and dragged.
const viewer = document.getElementById("viewer");
const stage = viewer.querySelector(".stage");
const picture = stage.querySelector("img");
let open = null;
let scale = 1;

function fit() {
  scale = Math.min(stage.clientWidth / picture.naturalWidth, stage.clientHeight / picture.naturalHeight);
  picture.style.width = `${scale * picture.naturalWidth}px`;
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const before = scale;
  scale = Math.min(Math.max(scale * factor, 0.05), 20);
  picture.style.width = `${scale * picture.naturalWidth}px`;
  const change = scale / before;
  stage.scrollTo((stage.scrollLeft + x) * change - x, (stage.scrollTop + y) * change - y);
}

function show(image) {
  open = image;
  picture.src = image.src;
  picture.alt = image.alt;
  viewer.querySelector("span").textContent = image.alt;
  if (!viewer.open) viewer.showModal();
  picture.decode().then(fit);
}

function step(by) {
  const shown = all(".card img").filter((image) => image.checkVisibility());
  show(shown[(shown.indexOf(open) + by + shown.length) % shown.length]);
}

for (const image of all(".card img")) {
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.addEventListener("click", () => show(image));
  image.addEventListener("keydown", (event) => {
    if (event.key === "Enter") show(image);
  });
}

viewer.addEventListener("click", (event) => {
  const data = event.target.dataset;
  if ("close" in data) viewer.close();
  else if ("step" in data) step(Number(data.step));
  else if ("zoom" in data) Number(data.zoom) ? zoom(Number(data.zoom)) : fit();
});
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else if (event.key === "+") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
});
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  zoom(event.deltaY < 0 ? 1.15 : 0.87, event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
stage.addEventListener("pointermove", (event) => {
  if (event.buttons === 1 && event.pointerType === "mouse") stage.scrollBy(-event.movementX, -event.movementY);
});
picture.draggable = false;
