"use strict";
// Steps through the recorded runs. Outside text only ever becomes a text node. Of a long run only
// the steps in view are in the page.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  document.documentElement.classList.add("js");

  // Printed pages show what is folded on the screen.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((item) => { item.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach((item) => { item.open = false; }));

  if (!data.tests.length || !byId("tabs")) return;
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const panels = [...document.querySelectorAll("[role=tabpanel]")];
  const rows = new Map();
  for (const row of byId("code").rows) rows.set(Number(row.dataset.line), row);
  const slider = byId("slider");
  const list = byId("list");
  const ROW_PX = 28, MAX_NAMES = 100, MAX_CHARS = 400;  // ROW_PX is the height of .list-row
  let test = 0, step = 0, now = null, shown = new Map(), waiting = false;

  // The events of a test with their texts, and the calls that they belong to: each is of the last
  // call seen at its depth. Made when the test is first looked at.
  const runs = [];
  function run() {
    if (runs[test]) return runs[test];
    const text = (index) => (index < 0 ? null : data.texts[index]);
    const events = data.tests[test].events.map(([kind, name, line, depth, flat, value]) => {
      const changes = [];
      for (let at = 0; at < flat.length; at += 2) changes.push([text(flat[at]), text(flat[at + 1])]);
      return [text(kind), text(name), line, depth, changes, text(value)];
    });
    const open = new Map(), starts = [];
    const calls = events.map(([kind, , , depth], index) => {
      if (kind === "call" || !open.has(depth)) { open.set(depth, starts.length); starts.push(index); }
      return open.get(depth);
    });
    return (runs[test] = { events, calls, starts });
  }

  const cut = (text) => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text);
  const pairs = (changes) => changes.map(([name, value]) => `${name} = ${value}`).join("\n");
  const told = ([kind, name, , , changes, value]) => {
    if (kind === "call") return `call ${name}(${changes.map(([n, v]) => `${n}=${v}`).join(", ")})`;
    if (kind === "return") return `return ${value === null ? "" : value}`;
    if (kind === "exception") return `raises ${value === null ? "" : value}`;
    return changes.length ? pairs(changes) : "no value changed";
  };
  const beside = ([kind, , , , changes, value]) => {
    if (kind === "return") return `→ ${value === null ? "" : value}`;
    if (kind === "exception") return `✕ ${value === null ? "" : value}`;
    return cut(changes.map(([name, text]) => `${name} = ${text}`).join("   "));
  };

  // The values of the current call up to the current step, by line and by name.
  function gather({ events, calls, starts }) {
    const lines = new Map(), names = new Map();
    for (let index = starts[calls[step]]; index <= step; index++) {
      if (calls[index] !== calls[step]) continue;
      const event = events[index], text = beside(event);
      if (text) lines.set(event[2], text);
      for (const [name, value] of event[4]) names.set(name, value);
    }
    return { lines, names };
  }

  function drawValues(lines) {
    for (const [line, text] of shown) {
      if (lines.get(line) !== text && rows.has(line)) rows.get(line).cells[2].textContent = "";
    }
    for (const [line, text] of lines) {
      if (shown.get(line) !== text && rows.has(line)) rows.get(line).cells[2].textContent = text;
    }
    shown = lines;
  }

  function drawNow(line) {
    const row = rows.get(line) || null;
    if (now === row) return;
    if (now) { now.classList.remove("now"); now.removeAttribute("aria-current"); }
    now = row;
    if (!row) return;
    row.classList.add("now");
    row.setAttribute("aria-current", "step");
    const box = byId("code").parentElement;
    const at = row.getBoundingClientRect(), seen = box.getBoundingClientRect();
    if (at.top < seen.top || at.bottom > seen.bottom) box.scrollTop += at.top - seen.top - seen.height / 2;
  }

  function drawNames(names, changes) {
    const changed = new Set(changes.map(([name]) => name));
    let all = [...names];
    if (all.length > MAX_NAMES) {
      all = [...all.filter(([name]) => changed.has(name)), ...all.filter(([name]) => !changed.has(name))];
      all = [...all.slice(0, MAX_NAMES), ["…", `${all.length - MAX_NAMES} more`]];
    }
    byId("variables").replaceChildren(...all.map(([name, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(head, cell);
      row.classList.toggle("changed", changed.has(name));
      return row;
    }));
  }

  // --- the list of all steps: rows of one height, of which only those in view exist ---
  function rowOf(index) {
    const event = run().events[index], [kind, , line, depth] = event;
    const row = document.createElement("div"), source = rows.get(line)?.cells[1].textContent.trim();
    row.className = "list-row";
    row.id = `step-${index}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-posinset", String(index + 1));
    row.setAttribute("aria-setsize", String(run().events.length));
    row.setAttribute("aria-selected", String(index === step));
    row.style.top = `${index * ROW_PX}px`;
    const texts = [String(line), kind === "line" ? source ?? "" : cut(told(event)), kind === "line" ? beside(event) : ""];
    row.append(...texts.map((text, column) => {
      const part = document.createElement("span");
      part.className = `list-${["line", "source", "values"][column]}${kind === "exception" ? " raised" : ""}`;
      part.textContent = text;
      if (column === 1) part.style.paddingLeft = `${Math.min(Math.max(depth, 0), 12) * 16}px`;
      return part;
    }));
    row.addEventListener("click", () => go(index));
    return row;
  }

  function drawList() {
    if (!byId("all").open) return;
    const { events } = run(), spare = 5;
    const first = Math.max(Math.floor(list.scrollTop / ROW_PX) - spare, 0);
    const last = Math.min(Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + spare, events.length);
    const wanted = new Set([step]);
    for (let index = first; index < last; index++) wanted.add(index);
    byId("room").replaceChildren(...[...wanted].sort((one, other) => one - other).map(rowOf));
    list.setAttribute("aria-activedescendant", `step-${step}`);
  }

  function showStep() {
    if (!byId("all").open) return;
    byId("room").style.height = `${run().events.length * ROW_PX}px`;
    const top = step * ROW_PX, room = list.clientHeight - ROW_PX;  // once the list has its height
    if (top < list.scrollTop || top > list.scrollTop + room) list.scrollTop = top - room / 2;
    drawList();
  }

  function draw() {
    waiting = false;
    const { events } = run(), { dropped } = data.tests[test];
    const has = events.length > 0;
    byId("controls").hidden = byId("state").hidden = byId("all").hidden = !has;
    slider.max = String(Math.max(events.length - 1, 0));
    slider.value = String(step);
    byId("first").disabled = byId("back").disabled = step === 0;
    byId("next").disabled = byId("last").disabled = step >= events.length - 1;
    byId("all-title").textContent = `All ${events.length.toLocaleString("en")} steps as a list`;
    if (!has) { drawValues(new Map()); drawNow(-1); byId("live").textContent = "No trace."; return; }
    const event = events[step], { lines, names } = gather(run());
    drawValues(lines);
    drawNow(event[2]);
    drawNames(names, event[4]);
    const where = event[3] > 0 ? `, call depth ${event[3]}` : "";
    const rest = dropped && step === events.length - 1 ? `; ${dropped} more not shown` : "";
    byId("moment").textContent = `Step ${step + 1} of ${events.length}, line ${event[2]}${where}${rest}`;
    byId("story").textContent = told(event);
    byId("story").classList.toggle("raised", event[0] === "exception");
    slider.setAttribute("aria-valuetext", `Step ${step + 1} of ${events.length}`);
    // a focused list names its step itself
    byId("live").textContent = document.activeElement === list ? "" : cut(`Line ${event[2]}: ${told(event)}`);
    showStep();
  }

  function go(target) {
    step = Math.min(Math.max(target, 0), Math.max(run().events.length - 1, 0));
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  function select(index, focus) {
    test = index;
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", String(each === index));
      tab.tabIndex = each === index ? 0 : -1;
    });
    panels.forEach((panel, each) => { panel.hidden = each !== index; });
    panels[index].querySelector(".after").before(byId("player"));
    byId("room").replaceChildren();
    if (focus) tabs[index].focus();
    go(0);
  }

  const moves = {
    ArrowLeft: () => step - 1, ArrowRight: () => step + 1,
    Home: () => 0, End: () => run().events.length - 1,
  };
  const page = () => Math.max(Math.floor(list.clientHeight / ROW_PX) - 1, 1);
  const listMoves = {
    ...moves, ArrowUp: moves.ArrowLeft, ArrowDown: moves.ArrowRight,
    PageUp: () => step - page(), PageDown: () => step + page(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const at = event.target, tab = tabs.indexOf(at);
    if (tab >= 0) {
      const last = tabs.length - 1;
      const to = { ArrowLeft: tab ? tab - 1 : last, ArrowRight: tab < last ? tab + 1 : 0, Home: 0, End: last }[event.key];
      if (to !== undefined) { event.preventDefault(); select(to, true); }
      return;
    }
    // The slider moves itself; a focused block of text scrolls sideways.
    if (at === slider || (at instanceof Element && at.closest("pre"))) return;
    const move = (at === list ? listMoves : moves)[event.key];
    if (!move || ((event.key === "Home" || event.key === "End") && !byId("run").contains(at))) return;
    event.preventDefault();
    go(move());
  });
  tabs.forEach((tab, index) => tab.addEventListener("click", () => select(index, false)));
  slider.addEventListener("input", () => go(Number(slider.value)));
  byId("first").addEventListener("click", () => go(0));
  byId("back").addEventListener("click", () => go(step - 1));
  byId("next").addEventListener("click", () => go(step + 1));
  byId("last").addEventListener("click", () => go(Infinity));

  // A row of a loop and a call lead to their step.
  for (const panel of panels) {
    for (const place of panel.querySelectorAll("[data-step]")) {
      const jump = document.createElement("button");
      jump.type = "button";
      jump.className = "jump";
      jump.title = "Go to this step";
      jump.append(...place.childNodes);
      place.append(jump);
      jump.addEventListener("click", () => go(Number(place.dataset.step)));
    }
  }

  list.addEventListener("scroll", () => requestAnimationFrame(drawList));
  byId("all").addEventListener("toggle", showStep);
  byId("tabs").hidden = byId("hint").hidden = false;
  const failing = tabs.findIndex((tab) => tab.querySelector(".bad"));
  select(Math.max(failing, 0), false);
})();
