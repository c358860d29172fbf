// The table of cells or runs: sorted by a click on a column, filtered, with intervals drawn on one scale.
views.table = () => {
  let rowsOf = "cells", sortKey = "score", falling = true;
  const best = new Set(data.best);
  const axes = Object.keys(data.cells[0].axes);
  const costs = Object.keys(data.cost_names).filter((key) => data.cells.some((cell) => cell.costs[key] != null));
  const columns = () => [
    { key: "name", title: rowsOf === "cells" ? "cell" : "run", of: (row) => row.name, wide: true },
    ...((axes.length > 1 && !narrow()) || rowsOf === "runs" ? axes.map((axis) => ({ key: "axis " + axis, title: axis, of: (row) => row.axes[axis] })) : []),
    rowsOf === "cells" ? { key: "seeds", title: "seeds", of: (row) => row.seeds, number: true } : { key: "seed", title: "seed", of: (row) => row.seed, number: true },
    { key: "score", title: scoreName, of: (row) => row.score.value, show: (row) => points(row.score.value), number: true },
    { key: "interval", title: "95 % interval", of: (row) => row.score.low, draw: interval },
    ...(rowsOf === "cells" && data.seed_sd != null ? [{ key: "sd", title: "seed sd", of: (row) => row.seed_sd, show: (row) => points(row.seed_sd), number: true }] : []),
    ...costs.map((key) => ({ key: "cost " + key, title: data.cost_names[key], of: (row) => row.costs[key], show: (row) => amount(row.costs[key]), number: true })),
  ];
  const all = () => rowsOf === "cells" ? filtered() : filtered().flatMap((cell) => data.runs.filter((run) => run.cell === cell.name && cell.runs.includes(run.name))
    .map((run) => ({ ...run, axes: cell.axes, score: run.scores[data.score], best: best.has(run.name) })));
  const bounds = data.runs.map((run) => run.scores[data.score]).concat(data.cells.map((cell) => cell.score));
  const [low, high] = [Math.min(...bounds.map((b) => b.low)), Math.max(...bounds.map((b) => b.high))];
  const width = 150, at = (value) => 6 + (width - 12) * (high > low ? (value - low) / (high - low) : 0.5);

  function interval(row) {
    const { value, low: from, high: to } = row.score;
    const drawing = svg("svg", { width, height: 18, viewBox: `0 0 ${width} 18`, role: "img", "aria-label": `${points(from)} to ${points(to)}` });
    drawing.append(svg("title", {}, `${points(from)} to ${points(to)}`), svg("line", { x1: 0, x2: width, y1: 9, y2: 9, stroke: "#e3e8ee" }),
      svg("line", { x1: at(from), x2: at(to), y1: 9, y2: 9, stroke: row.best ? "#1f4e8c" : "#7a8794", "stroke-width": 3, "stroke-linecap": "round" }),
      svg("circle", { cx: at(value), cy: 9, r: 4.5, fill: row.best ? "#1f4e8c" : "#7a8794", stroke: "#fff" }));
    return drawing;
  }

  function draw() {
    const shown = columns(), by = shown.find((column) => column.key === sortKey) || shown.find((column) => column.key === "score");
    const rows = all().sort((one, other) => {
      const [a, b] = [by.of(one), by.of(other)];
      if (a == null || b == null) return (a == null) - (b == null);
      const numbers = Number.isFinite(Number(a)) && Number.isFinite(Number(b));
      return (falling ? -1 : 1) * (numbers ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
    });
    $("cells").tHead.replaceChildren(el("tr", {}, ...shown.map((column) =>
      el("th", { class: column.number ? "number" : null, scope: "col", "data-key": column.key, "aria-sort": column === by ? (falling ? "descending" : "ascending") : "none" },
        el("button", { type: "button", onclick: () => { falling = column.key === by.key ? !falling : Boolean(column.number || column.draw); sortKey = column.key; draw(); } }, column.title)))));
    $("cells").tBodies[0].replaceChildren(...rows.map((row) => el("tr", { class: row.best ? "best" : null }, ...shown.map((column) => {
      const value = column.draw ? column.draw(row) : column.show ? column.show(row) : column.of(row);
      return el("td", { class: column.number ? "number" : column.wide ? "wide" : null, title: column.wide && row.path ? row.path : null }, value instanceof Node ? value : String(value ?? "\u2013"));
    }))));
    $("count").textContent = `${rows.length} of ${rowsOf === "cells" ? data.cells.length : data.runs.length} ${rowsOf}`;
    $("table-note").textContent = rowsOf === "cells"
      ? `Marked: cells that cannot be told from the best. A cell is all runs that differ in the seed alone. Intervals cover ${data.intervals_cover === "images" ? "the images alone" : data.intervals_cover}.`
      : "Intervals of single runs cover the images alone: they say nothing about another seed.";
  }
  choice("rows", [["cells", "cells"], ["runs", "runs"]], "cells", (key) => { rowsOf = key; draw(); });
  redraws.push(draw);
  draw();
};
