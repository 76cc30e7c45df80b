// Where we are in the video and in the timeline, and what moves us: pointer, keys, buttons, the video itself.
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const { segments, seconds, digits } = data;
  const WIDEST = 120; // segment
  const video = $("video"), scroller = $("scroller"), grid = $("grid");
  const paint = painter($("canvas"), data);
  const calm = matchMedia("(prefers-reduced-motion: reduce)"), dark = matchMedia("(prefers-color-scheme: dark)");
  const coarse = matchMedia("(pointer: coarse)").matches;

  const rows = [...grid.querySelectorAll(".row")].map((element, index) => ({
    element,
    cell: element.querySelector(".cell"),
    label: element.querySelector(".name").textContent,
    how: element.querySelector(".how").textContent,
    audio: element.classList.contains("audio"),
    usual: !element.hidden,
    values: data.rows[index].v === null ? null : Uint8Array.from(atob(data.rows[index].v), (sign) => sign.charCodeAt(0)),
    on: data.rows[index].on,
  }));
  const onsets = [...new Set(rows.flatMap((row) => row.on.map((event) => event[0])))].sort((one, other) => one - other);

  let shown = rows.filter((row) => row.usual);
  let active = 0; // row of the cursor, among those shown
  let at = 0; // segment of the cursor
  let time = 0; // seconds of the playhead
  let pending = false; // a seek of ours is under way: the cursor is already where it belongs
  let px = 1; // width of a segment
  let fitted = true;
  let usable = Boolean(video.getAttribute("src"));
  let waiting = 0;

  const bounded = (value, low, high) => Math.min(high, Math.max(low, value));
  const labelWidth = () => grid.querySelector(".corner").offsetWidth;
  const rowHeight = () => (shown.length ? shown[0].element.offsetHeight : 30);
  const room = () => Math.max(40, scroller.clientWidth - labelWidth());

  const clock = (value, places = digits) => readable(value, places);
  const isOn = (row, segment) => {
    const event = row.on[findEvent(row, segment)];
    return event !== undefined && event[0] <= segment;
  };

  function describe(row, segment) {
    const value = row.values === null ? UNJUDGED : row.values[segment];
    const sure = value === UNJUDGED ? "not judged" : `${Math.round((100 * value) / WHOLE)} %`;
    const when = `${clock(segment * seconds)} to ${clock((segment + 1) * seconds)}`;
    return `${row.label}, ${row.how}, ${when}: ${sure}${isOn(row, segment) ? ", event" : ""}`;
  }

  // Drawing

  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : dark.matches;
  };

  function colour() {
    paint.readColours();
    $("theme").textContent = isDark() ? "Light" : "Dark";
    $("theme").setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    later();
  }

  function later() {
    if (!waiting) waiting = requestAnimationFrame(draw);
  }

  function draw() {
    waiting = 0;
    const view = { shown, px, tall: rowHeight(), width: room(), height: scroller.clientHeight };
    paint.draw({ ...view, left: scroller.scrollLeft, above: scroller.scrollTop });
  }

  // Where we are: the playhead is a time, the cursor a segment of a row.

  function place() {
    $("playhead").style.transform = `translateX(${bounded(time / seconds, 0, segments) * px}px)`;
    $("clock").textContent = clock(Math.floor(time * 10 ** digits + 1e-6) / 10 ** digits);
    const row = shown[active];
    if (!row) return;
    row.cell.style.transform = `translateX(${at * px}px)`;
    row.cell.style.width = `${Math.max(6, px)}px`;
    row.cell.setAttribute("aria-colindex", at + 2);
    row.cell.setAttribute("aria-label", describe(row, at));
  }

  function say() {
    const parts = [];
    for (const audio of [true, false]) {
      const names = rows.filter((row) => row.audio === audio && isOn(row, at)).map((row) => row.label);
      if (!names.length) continue;
      const how = document.createElement("span");
      how.className = audio ? "said-audio" : "said-visual";
      how.textContent = audio ? "heard: " : "seen: ";
      if (parts.length) parts.push(" ");
      parts.push(how, names.join(", "));
    }
    $("said").replaceChildren(...(parts.length ? parts : ["no event"]));
  }

  function moveTo(segment, seconds_ = segment * seconds) {
    const changed = segment !== at;
    at = segment;
    time = seconds_;
    if (changed) say();
    place();
  }

  function reveal(share = 0.3) {
    const x = (time / seconds) * px, left = scroller.scrollLeft, width = room();
    if (x < left || x + Math.min(px, width) > left + width) scroller.scrollLeft = x - share * width;
  }

  function seek(segment, exact) {
    const target = bounded(segment, 0, segments - 1);
    moveTo(target, exact === undefined ? target * seconds : exact);
    if (usable) {
      pending = true;
      video.currentTime = data.start + time;
    }
    reveal();
  }

  function sync() { // from the video
    if (!usable || (pending && video.paused)) return;
    const before = (time / seconds) * px - scroller.scrollLeft, width = room();
    const now = bounded(video.currentTime - data.start, 0, segments * seconds);
    if (time < data.end - data.start && video.currentTime >= data.end && data.end < video.duration - 0.5) video.pause();
    moveTo(bounded(Math.floor(now / seconds + 1e-3), 0, segments - 1), now);
    // Whoever looks elsewhere in the timeline is left there.
    if (before >= 0 && before <= width && (time / seconds) * px - scroller.scrollLeft > width) reveal(0.1);
  }

  function run() {
    if (video.paused || video.ended) return;
    sync();
    if (!calm.matches) requestAnimationFrame(run); // else with the four timeupdates a second
  }

  function playOrPause() {
    if (!usable) { $("live").textContent = "There is no video to play."; return; }
    if (!video.paused) { video.pause(); return; }
    if (video.currentTime < data.start || video.currentTime >= data.end) video.currentTime = data.start;
    video.play().catch(() => {});
  }

  function choose(place_) {
    if (!shown.length) return;
    const old = shown[active];
    if (old) old.cell.tabIndex = -1;
    active = bounded(place_, 0, shown.length - 1);
    shown[active].cell.tabIndex = 0;
    place();
  }

  function focusRow() {
    const row = shown[active];
    if (!row) return;
    row.cell.focus({ preventScroll: true });
    const tall = rowHeight(), y = active * tall, high = scroller.clientHeight - RULER;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    else if (y + tall > scroller.scrollTop + high) scroller.scrollTop = y + tall - high;
  }

  function jump(forward) {
    const next = forward ? onsets.find((onset) => onset > at) : onsets.filter((onset) => onset < at).pop();
    if (next !== undefined) seek(next);
    $("live").textContent = next === undefined ? "No further event." : `${$("clock").textContent}: ${$("said").textContent}`;
  }

  // Width of a segment

  function scale(wanted) {
    const fit = room() / segments, middle = time / seconds;
    const offset = middle * px - scroller.scrollLeft;
    px = bounded(wanted, Math.min(fit, 6), Math.max(fit, WIDEST));
    fitted = px <= fit * 1.001;
    grid.style.setProperty("--track", `${segments * px}px`);
    scroller.scrollLeft = middle * px - bounded(offset, 0, room());
    place();
    later();
  }

  function resize() {
    const fit = room() / segments;
    if (fitted) scale(fit);
    else scale(Math.max(px, Math.min(fit, 6)));
  }

  function showRows() {
    const row = shown[active];
    shown = rows.filter((own) => own.usual || $("all").checked);
    for (const own of rows) own.element.hidden = !shown.includes(own);
    choose(Math.max(0, shown.indexOf(row)));
    later();
  }

  // Pointer

  function locate(event) {
    const box = scroller.getBoundingClientRect();
    const x = event.clientX - box.left - scroller.clientLeft - labelWidth();
    const y = event.clientY - box.top - scroller.clientTop;
    if (x < 0 || x > room() || y > scroller.clientHeight) return null;
    const moment = (x + scroller.scrollLeft) / px;
    if (moment >= segments) return null;
    const place_ = y < RULER ? -1 : Math.floor((y - RULER + scroller.scrollTop) / rowHeight());
    return place_ >= shown.length ? null : { segment: Math.floor(moment), moment, place: place_ };
  }

  function tip(event, spot) {
    const box = $("tip");
    box.hidden = spot === null;
    if (spot === null) return;
    box.textContent = spot.place < 0 ? clock(spot.moment * seconds, Math.max(1, digits)) : describe(shown[spot.place], spot.segment);
    const width = box.offsetWidth, height = box.offsetHeight;
    box.style.left = `${bounded(event.clientX - width / 2, 4, Math.max(4, innerWidth - width - 4))}px`;
    const above = event.clientY - height - 14;
    box.style.top = `${above >= 4 ? above : event.clientY + 22}px`;
  }

  grid.addEventListener("pointermove", (event) => { if (event.pointerType !== "touch") tip(event, locate(event)); });
  scroller.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") tip(event, null); });
  grid.addEventListener("click", (event) => {
    const spot = locate(event);
    if (spot === null) return;
    if (spot.place >= 0) {
      choose(spot.place);
      seek(spot.segment);
      focusRow();
    } else seek(spot.segment, spot.moment * seconds);
    if (coarse) tip(event, spot);
  });
  scroller.addEventListener("scroll", () => { $("tip").hidden = true; later(); }, { passive: true });
  addEventListener("scroll", () => { $("tip").hidden = true; }, { passive: true });

  // Keys: in the timeline, and left, right and space where nothing else wants them

  document.addEventListener("keydown", (event) => {
    const inside = grid.contains(event.target);
    if (!(inside || event.target === document.body) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    const turns = { ArrowUp: -1, ArrowDown: 1 };
    if (event.key === " ") playOrPause();
    else if (event.key in moves && (inside || event.key.startsWith("Arrow"))) seek(at + moves[event.key]);
    else if (inside && event.key === "Home") seek(0);
    else if (inside && event.key === "End") seek(segments - 1);
    else if (inside && event.key in turns) { choose(active + turns[event.key]); focusRow(); }
    else return;
    event.preventDefault();
    if (event.key !== " " && shown[active]) $("live").textContent = describe(shown[active], at);
  });
  grid.addEventListener("focusin", (event) => {
    const found = shown.findIndex((row) => row.cell === event.target);
    if (found >= 0 && found !== active) choose(found);
    reveal();
  });

  // Buttons

  $("play").addEventListener("click", playOrPause);
  $("before").addEventListener("click", () => jump(false));
  $("after").addEventListener("click", () => jump(true));
  $("narrower").addEventListener("click", () => scale(px / 1.6));
  $("wider").addEventListener("click", () => scale(px * 1.6));
  $("fit").addEventListener("click", () => scale(room() / segments));
  $("all").addEventListener("change", showRows);
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    colour();
  });
  dark.addEventListener("change", colour);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".seek");
    if (button) seek(Number(button.dataset.segment));
  });

  // Video

  function state() {
    const playing = usable && !video.paused && !video.ended;
    $("play").textContent = playing ? "Pause" : "Play";
    $("play").setAttribute("aria-pressed", String(playing));
    $("play").disabled = !usable;
  }
  function broken() {
    if (!video.getAttribute("src")) return;
    usable = false;
    video.hidden = true;
    $("missing").hidden = false;
    $("why").textContent = `${video.getAttribute("aria-label")} cannot be played: it does not lie where this page looks for it, or `
      + "this browser does not know its format. The timeline below works without it.";
    state();
  }
  $("file").addEventListener("change", () => {
    const file = $("file").files[0];
    if (!file) return;
    video.src = URL.createObjectURL(file);
    video.setAttribute("aria-label", file.name);
    video.hidden = false;
    $("missing").hidden = true;
    usable = true;
    video.currentTime = data.start + time;
    state();
  });
  for (const name of ["timeupdate", "seeked"]) {
    video.addEventListener(name, () => {
      if (name === "seeked" && video.paused && pending) { pending = false; return; }
      sync();
    });
  }
  video.addEventListener("play", () => { pending = false; state(); run(); });
  for (const name of ["playing", "pause", "ended"]) video.addEventListener(name, () => { state(); sync(); });
  video.addEventListener("error", broken);
  if (video.error) broken();

  for (const name of ["bar", "scroller", "legend"]) $(name).hidden = false;
  colour();
  choose(0);
  say();
  state();
  scale(Math.max(room() / segments, coarse ? 14 : 6));
  if (data.start > 0 && usable) seek(0); // a stretch of the file
  new ResizeObserver(resize).observe(scroller);
})();
