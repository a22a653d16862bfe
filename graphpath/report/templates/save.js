// Saves the drawing above a pair of buttons as it is seen: as SVG with its style inside, or as PNG.
const SVG = "http://www.w3.org/2000/svg";
const SCALE = 2; // pixels of a PNG for each unit of the drawing
const style = document.getElementById("drawing-style").content.textContent;

// The symbols that a drawing uses, and those that these use: they lie elsewhere on the page.
function usedBy(drawing, found = new Set()) {
  for (const use of drawing.querySelectorAll("use")) {
    const symbol = document.getElementById(use.getAttribute("href").slice(1));
    if (found.has(symbol)) continue;
    found.add(symbol);
    usedBy(symbol, found);
  }
  return found;
}

// The drawing as a document: its style, and as description the figure's title and what was asked.
function standalone(svg, about) {
  const copy = svg.cloneNode(true);
  const symbols = document.createElementNS(SVG, "defs");
  for (const symbol of usedBy(svg)) symbols.append(symbol.cloneNode(true));
  if (symbols.childElementCount) copy.prepend(symbols);
  for (const link of copy.querySelectorAll("a")) link.removeAttribute("href");
  for (const [name, text] of [["desc", about], ["style", style]]) {
    const made = document.createElementNS(SVG, name);
    made.textContent = text;
    copy.prepend(made);
  }
  return new XMLSerializer().serializeToString(copy);
}

// A data address, as a canvas that has drawn a blob's may not be read in every browser.
async function painted(text, { width, height }) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(width * SCALE), Math.ceil(height * SCALE)];
  const pen = canvas.getContext("2d");
  pen.fillStyle = "white";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, width * SCALE, height * SCALE);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

function download(blob, name) {
  const link = document.createElement("a");
  [link.href, link.download] = [URL.createObjectURL(blob), name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

for (const place of document.querySelectorAll(".save")) {
  const foot = place.parentElement;
  place.hidden = false;
  place.addEventListener("click", async ({ target: { dataset } }) => {
    if (!dataset.as) return;
    const svg = foot.parentElement.querySelector(":scope > .scroll > svg");
    const asked = [...foot.querySelectorAll("pre")].map((command) => command.textContent);
    const text = standalone(svg, [place.dataset.title, ...asked].join("\n"));
    const made = dataset.as === "png" ? await painted(text, svg.viewBox.baseVal)
      : new Blob([text], { type: "image/svg+xml" });
    download(made, `${place.dataset.file}.${dataset.as}`);
  });
}
