"use strict";
// What all views share. Names come from users: they are written as text, and escaped where Plotly reads markup.
const data = JSON.parse(document.getElementById("data").textContent);
const views = {};  // id of a section: what draws it, when it is first shown
const redraws = [];  // called when the filter changes
const $ = (id) => document.getElementById(id);
const narrow = () => window.innerWidth <= 640;
const esc = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const points = (value, digits = 1) => (value == null ? "\u2013" : (100 * value).toFixed(digits));
const percent = (value) => (value == null ? null : 100 * value);
const scoreName = { miou: "mIoU", pixel_acc: "pixel accuracy", mean_acc: "mean accuracy", fw_iou: "frequency-weighted IoU" }[data.score] || data.score;
const KINDS = { boundary: ["at boundaries", "#1f4e8c"], swap: ["swaps", "#c65d1a"], missed: ["missed", "#7a8794"], invented: ["invented", "#8a5fb0"] };
const COLOURS = ["#1f4e8c", "#c65d1a", "#2a8a7a", "#8a5fb0", "#b8871b", "#b5446e", "#55606e", "#4d9de0", "#6a994e", "#7f4f24"];

function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value != null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function svg(tag, properties = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  if (text != null) made.textContent = text;
  return made;
}

// A name that fits: on a narrow page its levels without their axes, and of a long one the beginning and the end.
function short(name, most = narrow() ? 24 : 48) {
  const text = narrow() ? name.split(" ").map((word) => word.slice(word.indexOf("=") + 1)).join(" ") : name;
  return text.length > most ? text.slice(0, Math.ceil(most / 2) - 1) + "\u2026" + text.slice(-Math.floor(most / 2)) : text;
}

// A label of a chart: short, escaped, and unlike every other one, for Plotly joins those that are the same.
function labels(names) {
  const seen = {};
  return names.map((name) => {
    let label = esc(short(name));
    seen[label] = (seen[label] || 0) + 1;
    return seen[label] > 1 ? label + "\u200b".repeat(seen[label] - 1) : label;
  });
}

function amount(value) {
  if (value == null) return "\u2013";
  if (value >= 1e9) return (value / 1e9).toFixed(2) + " G";
  if (value >= 1e6) return (value / 1e6).toFixed(2) + " M";
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(3));
}

function choice(id, options, chosen, act) {
  const buttons = options.map(([key, title]) =>
    el("button", { type: "button", role: "radio", "data-key": key, "aria-checked": key === chosen, onclick: () => pick(key) }, title));
  function pick(key) {
    for (const button of buttons) button.setAttribute("aria-checked", button.dataset.key === key);
    act(key);
  }
  $(id).replaceChildren(...buttons);
}

function select(id, options, act) {
  $(id).replaceChildren(...options.map(([key, title]) => el("option", { value: key }, title)));
  $(id).addEventListener("change", () => act($(id).value));
}

function plot(id, traces, layout = {}) {
  const axis = { gridcolor: "#e7ebf0", zerolinecolor: "#aab4c0", automargin: true };
  const full = {
    margin: { l: 10, r: 12, t: 12, b: 40 }, font: { family: "system-ui, sans-serif", size: narrow() ? 11 : 12, color: "#1c2733" },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest", hoverlabel: { namelength: -1 },
    ...layout, xaxis: { ...axis, ...layout.xaxis }, yaxis: { ...axis, ...layout.yaxis },
  };
  return Plotly.react($(id), traces, full, { responsive: true, displayModeBar: false });
}

// Words that a cell has to have, and conditions on its costs, axes, score and classes.
function matches(cell, text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).every((word) => {
    const condition = word.match(/^([\w./+-]+)(<=|>=|!=|<|>|=)(.+)$/);
    const values = { ...cell.axes, ...cell.costs, seeds: cell.seeds, [data.score]: cell.score.value };
    const key = condition && Object.keys(values).find((known) => known.toLowerCase() === condition[1]);
    if (!key) return (cell.name + " " + Object.entries(cell.axes).map((pair) => pair.join("=")).join(" ") + " " + cell.runs.join(" ")).toLowerCase().includes(word);
    const [have, want] = [Number(values[key]), Number(condition[3])];
    const numbers = Number.isFinite(have) && Number.isFinite(want);
    const order = numbers ? have - want : String(values[key]).toLowerCase() === condition[3] ? 0 : NaN;
    return { "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0, "=": order === 0, "!=": order !== 0 }[condition[2]];
  });
}
const filtered = () => data.cells.filter((cell) => matches(cell, $("filter").value));

function begin() {
  $("facts").textContent = `${data.runs.length} runs in ${data.cells.length} cells, scored on ${data.images} images of ${data.evaluations.join(", ")}. ` +
    `Intervals are at 95 % and cover ${data.intervals_cover === "images" ? "the images alone" : data.intervals_cover}.`;
  $("verdict").replaceChildren(...data.verdict.map((sentence) => el("li", {}, sentence)));
  if (data.notes.length) {
    $("notes").hidden = false;
    $("notes").querySelector("summary").textContent = `${data.notes.length} notes`;
    $("notes").querySelector("ul").replaceChildren(...data.notes.map((note) => el("li", {}, note)));
  }
  const drawn = new Set();
  const sections = [...document.querySelectorAll("main > section")].filter((section) => views[section.id]);
  document.querySelectorAll("main > section").forEach((section) => { section.hidden = true; });
  const show = (id) => {
    for (const section of sections) section.hidden = section.id !== id;
    document.querySelectorAll("nav button").forEach((tab) => tab.setAttribute("aria-selected", tab.dataset.view === id));
    if (!drawn.has(id)) views[id]();
    drawn.add(id);
  };
  document.querySelector("nav").replaceChildren(...sections.map((section) =>
    el("button", { role: "tab", "data-view": section.id, onclick: () => show(section.id) }, section.dataset.title)));
  $("filter").addEventListener("input", () => redraws.forEach((redraw) => redraw()));
  show(sections[0].id);
}
