// Parallel coordinates, and the effect of each axis with all else equal.
const axisNames = Object.keys(data.cells[0].axes);
if (data.cells.length > 1) views.axes = () => { parallel(); effects(); redraws.push(parallel); };

function parallel() {
  const drawing = $("parallel"), cells = filtered();
  const costs = ["params", "train_seconds", "latency_ms"].filter((key) => data.cells.every((cell) => cell.costs[key] != null));
  const columns = [
    ...axisNames.map((axis) => ({ title: axis, of: (cell) => cell.axes[axis], levels: [...new Set(data.cells.map((cell) => cell.axes[axis]))] })),
    ...costs.map((key) => ({ title: data.cost_names[key], of: (cell) => cell.costs[key], show: amount })),
    { title: scoreName, of: (cell) => cell.score.value, show: points },
  ];
  const room = $("parallel").parentElement.clientWidth, gap = Math.max(120, (room - 130) / Math.max(columns.length - 1, 1));
  const [width, height, top, bottom, left] = [gap * (columns.length - 1) + 130, Math.min(460, 240 + 8 * Math.max(...columns.map((c) => (c.levels || []).length))), 44, 16, 20];
  for (const column of columns) {
    const values = data.cells.map(column.of), numeric = column.levels && column.levels.every((level) => Number.isFinite(Number(level)));
    if (column.levels) column.levels.sort((a, b) => (numeric ? a - b : a.localeCompare(b)));
    const [low, high] = column.levels ? [0, column.levels.length - 1] : [Math.min(...values), Math.max(...values)];
    column.at = (value) => {
      const number = column.levels ? column.levels.indexOf(value) : value;
      return height - bottom - (high > low ? (number - low) / (high - low) : 0.5) * (height - top - bottom);
    };
    column.ticks = column.levels ? column.levels.map((level) => [level, level]) : [[low, column.show(low)], [high, column.show(high)]].slice(0, high > low ? 2 : 1);
  }
  const scores = data.cells.map((cell) => cell.score.value), [least, most] = [Math.min(...scores), Math.max(...scores)];
  const colour = (value) => { const share = most > least ? (value - least) / (most - least) : 1; return `hsl(${212} ${20 + 45 * share}% ${80 - 48 * share}%)`; };
  drawing.setAttribute("width", width);
  drawing.setAttribute("height", height);
  const lines = [...cells].sort((a, b) => a.score.value - b.score.value).map((cell) => {
    const corners = columns.map((column, at) => [left + at * gap, column.at(column.of(cell))]);
    const path = "M" + corners[0].join(",") + corners.slice(1).map(([x, y], at) => `C${corners[at][0] + gap / 2},${corners[at][1]} ${x - gap / 2},${y} ${x},${y}`).join("");
    const line = svg("path", { d: path, stroke: colour(cell.score.value) });
    line.append(svg("title", {}, `${cell.name}: ${points(cell.score.value)} (${points(cell.score.low)} to ${points(cell.score.high)})`));
    line.addEventListener("pointerenter", () => { $("parallel-note").textContent = `${cell.name}: ${scoreName} ${points(cell.score.value)} (${points(cell.score.low)} to ${points(cell.score.high)})`; });
    return line;
  });
  const marks = columns.flatMap((column, at) => [
    svg("line", { x1: left + at * gap, x2: left + at * gap, y1: top, y2: height - bottom }),
    svg("text", { x: left + at * gap - 6, y: 16, class: "head" }, short(column.title, 20)),
    ...column.ticks.map(([value, text]) => svg("text", { x: left + at * gap + 6, y: column.at(value) + 4 }, short(text, 18))),
  ]);
  drawing.replaceChildren(...lines, ...marks);
}

function effects() {
  const found = data.effects.map((effect) => ({ ...effect, title: effectTitle(effect) })).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  if (!found.length) {
    $("effects-note").textContent = "No two cells differ in one axis alone, so no axis can be judged with all else equal.";
    document.querySelectorAll("#axes .pair, #axes .controls, #effects-plot").forEach((part) => { part.hidden = true; part.style.display = "none"; });
    return;
  }
  const top = found.slice(0, 40), names = labels(top.map((effect) => effect.title));
  plot("effects-plot", [{
    type: "scatter", mode: "markers", x: top.map((effect) => percent(effect.value)), y: names,
    error_x: { type: "data", symmetric: false, array: top.map((e) => 100 * (e.high - e.value)), arrayminus: top.map((e) => 100 * (e.value - e.low)), color: "#5b6877", thickness: 1.6, width: 4 },
    marker: { size: 11, color: top.map((effect) => (!effect.clear ? "#b9c2cc" : effect.value > 0 ? "#1f4e8c" : "#c65d1a")) },
    text: top.map((effect) => `${esc(effect.title)}<br>${points(effect.value)} (${points(effect.low)} to ${points(effect.high)}), ${effect.pairs} pairs`), hovertemplate: "%{text}<extra></extra>",
  }], { height: rowHeight(top.length) + 20, xaxis: { title: { text: `points of ${esc(scoreName)}` }, zeroline: true, zerolinewidth: 2 }, yaxis: { autorange: "reversed" } });
  $("effects-note").textContent = "Means over all pairs of cells that differ in this alone, and in what it decides (freeze=probe picks a decoder). The intervals hold together at 95 %" +
    (data.intervals_cover === "images" ? ", for the images alone." : ".") + " Grey: cannot be told from 0." + (found.length > 40 ? ` The 40 largest of ${found.length}.` : "");
  $("interactions").replaceChildren(...data.interactions.slice(0, 6).map((one) => el("li", {},
    `${one.axes[0]} ${one.levels[0].join(" \u2192 ")} brings ${points(Math.abs(one.value))} ${one.value > 0 ? "more" : "less"} with ${one.axes[1]}=${one.levels[1][1]} than with ${one.axes[1]}=${one.levels[1][0]} (${points(one.low)} to ${points(one.high)}).`)));
  const draw = (at) => {
    const effect = found[at], kinds = Object.keys(KINDS), classes = Object.entries(effect.iou).sort((a, b) => b[1] - a[1]).slice(0, 30);
    plot("effect-kinds", [{ type: "bar", x: kinds.map((kind) => KINDS[kind][0]), y: kinds.map((kind) => percent(effect.wrong[kind])), marker: { color: kinds.map((kind) => KINDS[kind][1]) }, hovertemplate: "%{x}: %{y:+.2f} %<extra></extra>" }],
      { height: 300, title: { text: "change in wrong pixels, % of all", font: { size: 13 } }, margin: { l: 10, r: 12, t: 36, b: 40 } });
    plot("effect-classes", [{ type: "bar", x: labels(classes.map(([name]) => name)), y: classes.map(([, value]) => percent(value)), marker: { color: "#1f4e8c" }, hovertemplate: "%{x}: %{y:+.1f}<extra></extra>" }],
      { height: 300, title: { text: "change in IoU, points", font: { size: 13 } }, margin: { l: 10, r: 12, t: 36, b: 40 } });
  };
  select("effect-key", found.map((effect, at) => [at, effect.title]), draw);
  draw(0);
}

function effectTitle(effect) { return `${effect.axes[0]}: ${effect.levels[0].join(" \u2192 ")}`; }
