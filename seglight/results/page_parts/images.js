// The same images in every run, and the confusion matrix over them.
const cellOf = Object.fromEntries(data.cells.flatMap((cell) => cell.runs.map((run) => [run, cell])));
const decoded = new Map();
function pixels(source) {  // of a base64 picture: a promise of ImageData
  if (!decoded.has(source)) decoded.set(source, new Promise((done) => {
    const image = new Image();
    image.onload = () => {
      const canvas = el("canvas", { width: image.width, height: image.height }), context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      done(context.getImageData(0, 0, image.width, image.height));
    };
    image.src = source;
  }));
  return decoded.get(source);
}
const jpeg = (image) => pixels("data:image/jpeg;base64," + image.image);
const mask = (text) => pixels("data:image/png;base64," + text);
const same = (one, other, at) => one[at] === other[at] && one[at + 1] === other[at + 1] && one[at + 2] === other[at + 2];
const isColour = (one, colour, at) => one[at] === colour[0] && one[at + 1] === colour[1] && one[at + 2] === colour[2];
const IGNORED = [224, 224, 192];

// Paints `over(at)`, a colour or nothing for the pixel at a byte, onto the image.
async function paint(canvas, image, strength, over) {
  const photo = await jpeg(image), out = new ImageData(photo.width, photo.height);
  for (let at = 0; at < out.data.length; at += 4) {
    const colour = over(at), share = colour ? strength : 0;
    for (let channel = 0; channel < 3; channel++) out.data[at + channel] = photo.data[at + channel] * (1 - share) + (colour ? colour[channel] * share : 0);
    out.data[at + 3] = 255;
  }
  canvas.width = out.width;
  canvas.height = out.height;
  canvas.getContext("2d").putImageData(out, 0, 0);
}
const colourAt = (layer, at) => [layer[at], layer[at + 1], layer[at + 2]];

if (data.pictures.length) views.pictures = () => {
  let mode = "prediction", drawing = 0;
  const image = () => data.pictures[Number($("image-key").value)];
  async function draw() {
    const turn = ++drawing, one = image(), truth = (await mask(one.truth)).data, strength = Number($("strength").value) / 100;
    const shown = filtered().flatMap((cell) => cell.runs).filter((run) => one.masks[run]);
    const tile = async (title, layer, fixed, cells) => {
      const canvas = el("canvas"), seen = layer && (await mask(layer)).data;
      const over = (at) => {
        if (fixed === "image" || mode === "image") return null;
        if (fixed === "truth" || mode === "truth") return colourAt(truth, at);
        if (mode === "prediction") return colourAt(seen, at);
        return isColour(truth, IGNORED, at) ? IGNORED : same(truth, seen, at) ? null : [230, 30, 60];
      };
      await paint(canvas, one, strength, over);
      const wrong = cells && cells.reduce((sum, [a, b, n]) => sum + (a === b ? 0 : n), 0) / Math.max(1, cells.reduce((sum, [, , n]) => sum + n, 0));
      return el("figure", { class: fixed ? "fixed" : null, "data-run": fixed ? null : title }, canvas, el("figcaption", {}, fixed || data.runs.length === data.cells.length ? (fixed ? title : cellOf[title].name) : `${cellOf[title].name} (${title})`, cells ? `, ${points(wrong)} % wrong` : ""));
    };
    const tiles = await Promise.all([tile("image", null, "image"), tile("ground truth", null, "truth"), ...shown.map((run) => tile(run, one.masks[run], null, one.cells[run]))]);
    if (turn !== drawing) return;
    $("tiles").replaceChildren(...tiles);
    $("image-note").textContent = `Two runs differ on ${points(one.disagreement)} % of this image's pixels on average. Images are sorted by that.` +
      ($("filter").value ? ` The table's filter holds here too: ${shown.length} runs.` : "");
    confusion();
  }
  select("image-key", data.pictures.map((one, at) => [at, `${one.name} (${points(one.disagreement)} % differ)`]), draw);
  choice("image-mode", [["prediction", "prediction"], ["errors", "errors"], ["truth", "ground truth"], ["image", "image"]], mode, (key) => { mode = key; draw(); });
  $("strength").addEventListener("input", draw);
  const present = [...new Set(data.pictures.flatMap((one) => Object.values(one.cells).flatMap((cells) => cells.map(([truth]) => truth))))].sort((a, b) => a - b);
  $("legend").replaceChildren(...present.map((at) => el("span", {}, Object.assign(el("i"), { style: `background:rgb(${(data.palette[at] || [0, 0, 0]).join(",")})` }), data.classes[at] || String(at))));
  select("confusion-key", data.runs.filter((run) => data.pictures.some((one) => one.masks[run.name])).map((run) => [run.name, `${run.cell} (${run.name})`]), confusion);
  redraws.push(draw);
  draw();
};

function confusion() {
  const run = $("confusion-key").value, counts = {}, rows = {}, used = new Set();
  for (const one of data.pictures) for (const [truth, seen, n] of one.cells[run] || []) {
    counts[`${truth},${seen}`] = (counts[`${truth},${seen}`] || 0) + n;
    rows[truth] = (rows[truth] || 0) + n;
    used.add(truth).add(seen);
  }
  const classes = [...used].sort((a, b) => a - b), name = (at) => data.classes[at] || String(at);
  const button = (truth, seen) => {
    const n = counts[`${truth},${seen}`] || 0, share = rows[truth] ? n / rows[truth] : 0, hue = truth === seen ? "31,78,140" : "198,93,26";
    return el("button", {
      type: "button", "data-truth": truth, "data-seen": seen, "aria-pressed": "false", title: `${name(truth)} predicted as ${name(seen)}: ${n.toLocaleString("en")} pixels`,
      style: `background:rgba(${hue},${Math.sqrt(share).toFixed(2)});color:${share > 0.3 ? "#fff" : "#1c2733"}`, onclick: (event) => openCell(event.currentTarget, run, truth, seen),
    }, n ? (share < 0.005 ? "<0.5" : String(Math.round(100 * share))) : "\u00b7");
  };
  $("confusion").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", {}, "truth \\ seen"), ...classes.map((at) => el("th", { title: name(at) }, name(at))))),
    el("tbody", {}, ...classes.map((truth) => el("tr", {}, el("th", { title: name(truth) }, name(truth)), ...classes.map((seen) => el("td", {}, button(truth, seen)))))));
  $("confusion-tiles").replaceChildren();
}

async function openCell(button, run, truth, seen) {
  document.querySelectorAll("#confusion button[aria-pressed=true]").forEach((one) => one.setAttribute("aria-pressed", "false"));
  button.setAttribute("aria-pressed", "true");
  const count = (one) => ((one.cells[run] || []).find(([a, b]) => a === truth && b === seen) || [0, 0, 0])[2];
  const found = data.pictures.filter(count).sort((a, b) => count(b) - count(a)), [from, to] = [data.palette[truth] || [0, 0, 0], data.palette[seen] || [0, 0, 0]];
  const tiles = await Promise.all(found.map(async (one) => {
    const canvas = el("canvas"), [a, b] = [(await mask(one.truth)).data, (await mask(one.masks[run])).data];
    await paint(canvas, one, 0.85, (at) => (isColour(a, from, at) && isColour(b, to, at) ? [230, 30, 60] : null));
    return el("figure", {}, canvas, el("figcaption", {}, `${one.name}: ${count(one).toLocaleString("en")} pixels`));
  }));
  $("confusion-tiles").replaceChildren(...tiles);
  $("confusion-note").textContent = `${data.classes[truth]} predicted as ${data.classes[seen]} by ${run}: ${found.length} of ${data.pictures.length} images, marked in red.`;
}

begin();
