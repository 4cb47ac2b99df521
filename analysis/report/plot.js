"use strict";

// A chart of the user's own jobs: any column against any other, coloured by a third.
(() => {
  const holder = document.getElementById("plot");
  if (!holder) return;
  const data = JSON.parse(document.getElementById("plot-data").textContent);
  const form = holder.querySelector("form");
  const svg = holder.querySelector("svg");
  const legend = holder.querySelector(".legend");
  const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8a8a", "#b8a800"];
  const names = [...data.measures, ...data.columns];

  const isNumeric = (name) => data.rows.every((row) => typeof row.keys[name] === "number");
  const across = data.columns.find(isNumeric) ?? data.columns[0];
  for (const [field, options, first] of [
    ["x", names, across],
    ["y", data.measures, data.measures[0]],
    ["colour", data.columns, data.columns.find((name) => name !== across) ?? across],
  ]) {
    for (const name of options) form.elements[field].add(new Option(name, name, name === first, name === first));
  }

  const value = (row, name) => (name in row.values ? row.values[name] : row.keys[name]);
  const make = (kind, attributes, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, each] of Object.entries(attributes)) element.setAttribute(key, each);
    element.textContent = text;
    svg.append(element);
    return element;
  };
  const short = (number) =>
    number !== 0 && (Math.abs(number) >= 1e5 || Math.abs(number) < 1e-3)
      ? number.toExponential(0).replace("e+", "e")
      : String(Number(number.toPrecision(4)));

  // The place of a value on an axis, and its ticks. Words stand side by side in the order of the jobs.
  function scale(values, wantsLog, from, to) {
    const there = values.filter((each) => each !== null);
    if (there.some((each) => typeof each === "string")) {
      const words = [...new Set(there.map(String))];
      const step = (to - from) / words.length;
      return {
        place: (each) => from + (words.indexOf(String(each)) + 0.5) * step,
        ticks: words.map((each, k) => [from + (k + 0.5) * step, each]),
        wordy: true,
      };
    }
    const log = wantsLog && there.every((each) => each > 0);
    const along = (each) => (log ? Math.log10(each) : each);
    let low = Math.min(...there.map(along));
    let high = Math.max(...there.map(along));
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    [low, high] = [low - margin, high + margin];
    const place = (each) => from + ((along(each) - low) / (high - low)) * (to - from);
    const steps = [];
    const size = 10 ** Math.floor(Math.log10((high - low) / 4));
    const step = [1, 2, 5, 10].map((each) => each * size).find((each) => (high - low) / each <= 6);
    for (let at = Math.ceil(low / step) * step; at <= high; at += step) {
      const number = log ? 10 ** at : Number(at.toPrecision(12));
      steps.push([place(number), short(number)]);
    }
    return { place, ticks: steps };
  }

  function draw() {
    const want = Object.fromEntries(["x", "y", "colour"].map((each) => [each, form.elements[each].value]));
    const rows = data.rows.filter((row) => value(row, want.x) !== null && value(row, want.y) !== null);
    const width = Math.max(svg.clientWidth, 280);
    const height = Math.min(420, Math.max(280, width * 0.6));
    const wide = { left: 62, right: width - 12, top: 12, bottom: height - 46 };
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    legend.replaceChildren();
    if (!rows.length) return void make("text", { x: 20, y: 40 }, "no job has both numbers");
    const ends = rows.flatMap((row) => {
      const half = row.halves[want.y] ?? 0;
      return [value(row, want.y), value(row, want.y) - half, value(row, want.y) + half];
    });
    const wantsLogY = form.elements.logy.checked;
    const y = scale(wantsLogY ? ends.filter((each) => each > 0) : ends, wantsLogY, wide.bottom, wide.top);
    const x = scale(rows.map((row) => value(row, want.x)), form.elements.logx.checked, wide.left, wide.right);
    for (const [at, text] of y.ticks) {
      make("line", { x1: wide.left, x2: wide.right, y1: at, y2: at, class: "grid" });
      make("text", { x: wide.left - 6, y: at + 4, "text-anchor": "end" }, text);
    }
    const most = Math.max(3, Math.floor((wide.right - wide.left) / Math.max(1, x.ticks.length) / 7));
    for (const [at, text] of x.ticks) {
      const cut = x.wordy && text.length > most ? `${text.slice(0, most - 1)}…` : text;
      make("line", { x1: at, x2: at, y1: wide.top, y2: wide.bottom, class: "grid" });
      make("text", { x: at, y: wide.bottom + 16, "text-anchor": "middle" }, cut);
    }
    make("text", { x: (wide.left + wide.right) / 2, y: height - 8, "text-anchor": "middle", class: "title" }, want.x);
    make("text", { x: 14, y: (wide.top + wide.bottom) / 2, "text-anchor": "middle", class: "title",
      transform: `rotate(-90 14 ${(wide.top + wide.bottom) / 2})` }, want.y);
    const kinds = [...new Set(rows.map((row) => String(value(row, want.colour))))];
    kinds.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    for (const row of rows) {
      const colour = colours[kinds.indexOf(String(value(row, want.colour))) % colours.length];
      const aside = kinds.length > 8 ? 0 : 5 * (kinds.indexOf(String(value(row, want.colour))) - (kinds.length - 1) / 2);
      const [across, up] = [x.place(value(row, want.x)) + aside, y.place(value(row, want.y))];
      if (!Number.isFinite(across) || !Number.isFinite(up)) continue;
      const half = row.halves[want.y];
      if (half) {
        const [low, high] = [value(row, want.y) - half, value(row, want.y) + half];
        const foot = wantsLogY && low <= 0 ? wide.bottom : y.place(low);
        make("line", { x1: across, x2: across, y1: foot, y2: y.place(high), stroke: colour, "stroke-width": 1.2 });
      }
      const said = `${row.name}\n${want.y}: ${short(value(row, want.y))}${half ? ` ± ${short(half)}` : ""} (n = ${row.n})`;
      const point = make("circle", { cx: across, cy: up, r: 4.5, fill: colour, tabindex: 0 });
      point.append(document.createElementNS("http://www.w3.org/2000/svg", "title"));
      point.firstChild.textContent = said;
    }
    for (const [k, kind] of kinds.slice(0, 12).entries()) {
      const item = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = colours[k % colours.length];
      item.append(dot, kind);
      legend.append(item);
    }
    if (kinds.length > 12) legend.append(`and ${kinds.length - 12} more`);
    holder.querySelector("output").textContent =
      `${rows.length} of ${data.rows.length} jobs; bars: 95 % interval of the mean over a job's batches`;
  }

  form.addEventListener("input", draw);
  form.addEventListener("submit", (event) => event.preventDefault());
  let drawn = 0; // width; drawing changes the height, which must not draw again
  new ResizeObserver(([{ contentRect }]) => {
    if (contentRect.width === drawn) return;
    drawn = contentRect.width;
    requestAnimationFrame(draw);
  }).observe(holder);
})();
