"use strict";
// The timeline on a canvas that is as large as what is visible, whatever the length of the video.

const RULER = 26; // height
const UNJUDGED = 255, WHOLE = 200; // a byte a segment: 0 to 200 is the probability in half per cents, 255 not judged

// The event of a row that holds a segment, or the place where it would stand; events are [first, behind the last].
function findEvent(row, segment) {
  let low = 0, high = row.on.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row.on[middle][1] <= segment) low = middle + 1;
    else high = middle;
  }
  return low;
}

// A time as people read it: 1:05, 1:00:05, 0:00.5.
function readable(value, places) {
  const scale = 10 ** places, whole = Math.round(value * scale), total = Math.floor(whole / scale);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(total / 3600), minutes = Math.floor(total / 60) % 60;
  const text = hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
  return places ? `${text}.${String(whole % scale).padStart(places, "0")}` : text;
}

function painter(canvas, { segments, seconds, digits }) {
  const pen = canvas.getContext("2d");
  let colours = {};

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    colours = {};
    for (const name of ["paper", "raised", "ink", "soft", "line", "grid", "audio", "visual", "hatch"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const small = tile.getContext("2d");
    small.strokeStyle = colours.hatch;
    small.lineWidth = 1.3;
    small.beginPath();
    for (const shift of [-8, 0, 8]) {
      small.moveTo(shift - 1, 9);
      small.lineTo(shift + 9, -1);
    }
    small.stroke();
    colours.pattern = pen.createPattern(tile, "repeat");
  }

  // view: shown rows, their height, px of a segment, size and place of what is visible
  function draw(view) {
    const { shown, tall, px, width, height, left, above } = view, sharp = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
      canvas.width = Math.round(width * sharp);
      canvas.height = Math.round(height * sharp);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.fillStyle = colours.paper;
    pen.fillRect(0, 0, width, height);
    view.first = Math.max(0, Math.floor(left / px));
    view.last = Math.min(segments, Math.ceil((left + width) / px));
    const top = Math.max(0, Math.floor(above / tall)), bottom = Math.min(shown.length, Math.ceil((above + height) / tall));
    for (const layer of [drawBars, drawEdges, drawEvents]) {
      for (let place = top; place < bottom; place += 1) layer(shown[place], RULER + place * tall - above, view);
    }
    drawRuler(view);
  }

  function drawBar(x, y, wide, value, colour, { tall, left }) {
    if (value === UNJUDGED) {
      pen.save();
      pen.translate(-(left % 8), y); // the hatches go along when the row is scrolled
      pen.fillStyle = colours.pattern;
      pen.fillRect(x + (left % 8), 3, wide, tall - 7);
      pen.restore();
    } else if (value > 0) {
      pen.globalAlpha = value / WHOLE;
      pen.fillStyle = colour;
      pen.fillRect(x, y + 3, wide, tall - 7);
      pen.globalAlpha = 1;
    }
  }

  function drawBars(row, y, view) {
    const { tall, px, left, width, first, last } = view, { values } = row;
    pen.fillStyle = colours.grid;
    pen.fillRect(0, y + tall - 1, width, 1);
    const colour = row.audio ? colours.audio : colours.visual;
    if (values === null) {
      drawBar(0, y, Math.min(width, segments * px - left), UNJUDGED, colour, view);
    } else if (px >= 1) {
      for (let start = first, end; start < last; start = end) { // equal neighbours are one bar
        for (end = start + 1; end < last && values[end] === values[start];) end += 1;
        drawBar(start * px - left, y, (end - start) * px, values[start], colour, view);
      }
      if (px >= 38) drawNumbers(row, y, view, colour);
    } else {
      for (let x = 0; x < width; x += 1) { // many segments a pixel: the most probable of them
        const from = Math.floor((x + left) / px);
        const to = Math.min(segments, Math.max(from + 1, Math.floor((x + 1 + left) / px)));
        let most = -1;
        for (let segment = from; segment < to; segment += 1) {
          if (values[segment] !== UNJUDGED && values[segment] > most) most = values[segment];
        }
        if (from < segments) drawBar(x, y, 1, most < 0 ? UNJUDGED : most, colour, view);
      }
    }
  }

  function drawNumbers(row, y, { tall, px, left, first, last }, colour) {
    const [own, paper] = [colour, colours.paper].map(channels);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (let segment = first; segment < last; segment += 1) {
      const value = row.values[segment];
      if (value === UNJUDGED) continue;
      const mixed = own.map((part, index) => (part * value + paper[index] * (WHOLE - value)) / WHOLE);
      pen.fillStyle = luminance(mixed) > 0.21 ? "#000" : "#fff";
      pen.fillText(String(Math.round((100 * value) / WHOLE)), (segment + 0.5) * px - left, y + tall / 2);
    }
  }
  const channels = (hex) => [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16) / 255);
  const luminance = (rgb) => {
    const linear = rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };

  function drawEdges(row, y, { tall, px, left, first, last }) {
    if (px < 10) return;
    pen.fillStyle = colours.paper;
    pen.globalAlpha = 0.55;
    for (let segment = first; segment <= last; segment += 1) pen.fillRect(Math.round(segment * px - left), y, 1, tall - 1);
    pen.globalAlpha = 1;
  }

  function drawEvents(row, y, { tall, px, left, first, last }) {
    pen.strokeStyle = pen.fillStyle = colours.ink;
    pen.lineWidth = px < 3 ? 1 : 2;
    for (let place = findEvent(row, first); place < row.on.length && row.on[place][0] < last; place += 1) {
      const x = row.on[place][0] * px - left, wide = (row.on[place][1] - row.on[place][0]) * px;
      if (wide >= 6) pen.strokeRect(x + 1, y + 3, wide - 2, tall - 7);
      else { // too narrow for a frame: lines above and below
        pen.fillRect(x, y + 2, Math.max(1, wide), 2);
        pen.fillRect(x, y + tall - 5, Math.max(1, wide), 2);
      }
    }
  }

  function drawRuler({ px, left, width, first, last }) {
    pen.fillStyle = colours.raised;
    pen.fillRect(0, 0, width, RULER);
    pen.fillStyle = colours.line;
    pen.fillRect(0, RULER - 1, width, 1);
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18000, 36000];
    const need = pen.measureText(readable(segments * seconds, digits)).width + 22;
    const step = steps.find((own) => own * px >= need) || segments; // segments
    for (let segment = first - (first % step); segment < last; segment += step) {
      const x = Math.round(segment * px - left);
      pen.fillStyle = colours.line;
      pen.fillRect(x, 0, 1, RULER);
      pen.fillStyle = colours.soft;
      pen.fillText(readable(segment * seconds, digits), x + 4, RULER / 2);
    }
  }

  return { readColours, draw };
}
