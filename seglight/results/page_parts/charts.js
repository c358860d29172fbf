// Score against cost, classes, kinds of mistakes, learning curves.
const rowHeight = (count) => Math.max(150, 70 + count * (count > 60 ? 14 : 24));
const whiskers = (cells) => ({
  type: "data", symmetric: false, thickness: 1.2, width: 3,
  array: cells.map((cell) => 100 * (cell.score.high - cell.score.value)), arrayminus: cells.map((cell) => 100 * (cell.score.value - cell.score.low)),
});

const costKeys = Object.keys(data.cost_names).filter((key) => data.cells.some((cell) => cell.costs[key] != null));
if (costKeys.length) views.cost = () => {
  const draw = (key) => {
    const cells = data.cells.filter((cell) => cell.costs[key] != null);
    const front = (data.pareto[key] || []).map((name) => cells.find((cell) => cell.name === name)).filter(Boolean);
    const marks = {
      x: cells.map((cell) => cell.costs[key]), y: cells.map((cell) => percent(cell.score.value)), error_y: { ...whiskers(cells), color: "rgba(91,104,119,.45)" },
      mode: "markers", type: "scatter", text: cells.map((cell) => esc(cell.name)), hovertemplate: "%{text}<br>%{x:.4~g}: %{y:.1f}<extra></extra>",
      marker: { size: 10, color: cells.map((cell) => (cell.best ? "#1f4e8c" : "#9aa6b3")), line: { color: "#fff", width: 1 } },
    };
    const line = {
      x: front.map((cell) => cell.costs[key]), y: front.map((cell) => percent(cell.score.value)), mode: narrow() || front.length > 8 ? "lines" : "lines+text", type: "scatter", line: { color: "#c65d1a", width: 1.5, dash: "dot" },
      text: front.map((cell) => esc(short(cell.name))), textposition: front.map((_, at) => (at && at === front.length - 1 ? "top left" : "bottom right")), textfont: { size: 11, color: "#c65d1a" }, hoverinfo: "skip", cliponaxis: false,
    };
    const values = cells.map((cell) => cell.costs[key]), wide = Math.max(...values) > 20 * Math.min(...values);
    plot("cost-plot", [line, marks], { height: narrow() ? 340 : 460, margin: { l: 10, r: 30, t: 26, b: 44 }, xaxis: { title: { text: data.cost_names[key] }, type: wide ? "log" : "linear" }, yaxis: { title: { text: esc(scoreName) } } });
  };
  select("cost-key", costKeys.map((key) => [key, data.cost_names[key]]), draw);
  draw(costKeys[0]);
};

views.classes = () => {
  const cells = data.cells, names = labels(cells.map((cell) => cell.name));
  const value = { value: (cell, name) => cell.iou[name], best: (cell, name) => (cell.iou[name] == null || cells[0].iou[name] == null ? null : cell.iou[name] - cells[0].iou[name]) };
  const heat = (mode) => {
    const z = cells.map((cell) => data.classes.map((name) => percent(value[mode](cell, name))));
    const most = Math.max(1, ...z.flat().map((number) => Math.abs(number ?? 0)));
    const scale = mode === "value" ? { colorscale: [[0, "#fbfcfd"], [0.5, "#8fb3d9"], [1, "#163a6b"]], zmin: 0, zmax: 100 } : { colorscale: [[0, "#b1481a"], [0.5, "#fbfbfb"], [1, "#1f4e8c"]], zmin: -most, zmax: most };
    const few = cells.length <= 40 && data.classes.length <= (narrow() ? 6 : 24);
    plot("heat-plot", [{
      type: "heatmap", z, x: labels(data.classes), y: names, ...scale, xgap: 1, ygap: 1, hoverongaps: false, customdata: cells.map((cell) => data.classes.map((name) => [esc(cell.name), esc(name)])),
      hovertemplate: "%{customdata[0]}<br>%{customdata[1]}: %{z:.1f}<extra></extra>", texttemplate: few ? "%{z:.0f}" : "", showscale: !narrow(), colorbar: { thickness: 10, outlinewidth: 0 },
    }], { height: rowHeight(cells.length) + 40, xaxis: { side: "top", tickangle: -45, showgrid: false }, yaxis: { autorange: "reversed", showgrid: false } });
  };
  choice("heat-mode", [["value", "IoU"], ["best", "difference to the first"]], "value", heat);
  heat("value");
  plot("kinds-plot", Object.entries(KINDS).map(([kind, [title, colour]]) => ({
    type: "bar", orientation: "h", name: title, marker: { color: colour }, y: names, x: cells.map((cell) => percent(cell.wrong[kind])), text: cells.map((cell) => esc(cell.name)), textposition: "none",
    hovertemplate: `%{text}<br>${title}: %{x:.2f} %<extra></extra>`,
  })), { barmode: "stack", height: rowHeight(cells.length) + 30, showlegend: true, legend: { orientation: "h", y: 1, yanchor: "bottom" }, margin: { l: 10, r: 12, t: 30, b: 40 }, xaxis: { title: { text: "% of labelled pixels" } }, yaxis: { autorange: "reversed" } });
};

const curveKeys = [...new Set(Object.values(data.curves).flatMap((curves) => Object.keys(curves)))];
if (curveKeys.length || data.learning_curves.length) views.learning = () => {
  const colours = Object.fromEntries(data.cells.map((cell, at) => [cell.name, COLOURS[at % COLOURS.length]]));
  const draw = (key) => {
    const seen = new Set();
    const traces = data.runs.filter((run) => data.curves[run.name][key]).map((run) => {
      const [steps, values] = data.curves[run.name][key], first = !seen.has(run.cell), scaled = key.includes("loss") ? values : values.map(percent);
      seen.add(run.cell);
      return { x: steps, y: scaled, mode: steps.length < 12 ? "lines+markers" : "lines", type: "scatter", line: { color: colours[run.cell], width: 1.6 }, opacity: 0.85, name: esc(short(run.cell)), legendgroup: esc(run.cell), showlegend: first, text: steps.map(() => esc(run.name)), hovertemplate: "%{text}<br>step %{x}: %{y:.4~g}<extra></extra>" };
    });
    const legend = data.cells.length <= (narrow() ? 6 : 14);
    plot("curve-plot", traces, { height: (narrow() ? 320 : 420) + (legend ? 20 * data.cells.length : 0), showlegend: legend, legend: { orientation: "h", y: narrow() ? -0.3 : -0.18, yanchor: "top" }, margin: { l: 10, r: 12, t: 12, b: 40 }, xaxis: { title: { text: "optimizer steps" } }, yaxis: { title: { text: esc(key) } } });
  };
  select("curve-key", curveKeys.map((key) => [key, key]), draw);
  if (curveKeys.length) draw(curveKeys[0]);
  $("more-images").hidden = !data.learning_curves.length;
  if (data.learning_curves.length) {
    const cell = Object.fromEntries(data.cells.map((one) => [one.name, one]));
    plot("images-plot", data.learning_curves.map((curve, at) => {
      const cells = curve.cells.map((name) => cell[name]);
      return { x: curve.sizes, y: cells.map((one) => percent(one.score.value)), error_y: whiskers(cells), mode: "lines+markers", type: "scatter", line: { color: COLOURS[at % COLOURS.length] }, name: esc(short(curve.name || "all")), hovertemplate: "%{x}: %{y:.1f}<extra></extra>" };
    }), { height: 360, showlegend: data.learning_curves.length > 1, legend: { orientation: "h", y: -0.2, yanchor: "top" }, xaxis: { title: { text: esc(data.learning_curves[0].axis) }, type: "log" }, yaxis: { title: { text: esc(scoreName) } } });
    $("more-images").querySelector(".note").textContent = data.learning_curves.map((curve) =>
      `${curve.name ? curve.name + ": t" : "T"}wice as many images are expected to bring ${points(curve.doubled.value)} (${points(curve.doubled.low)} to ${points(curve.doubled.high)}).`).join(" ");
  }
};
