"use strict";
// Steps through the recorded runs. Outside text only ever becomes a text node.
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
  let test = 0, step = 0, now = null, shown = new Map(), waiting = false;

  // Which call each event belongs to: the last call seen at its depth.
  const frames = data.tests.map(({ events }) => {
    const open = new Map();
    let calls = 0;
    return events.map(([kind, , , depth]) => {
      if (kind === "call" || !open.has(depth)) open.set(depth, calls++);
      return open.get(depth);
    });
  });
  const starts = frames.map((ids) => {
    const first = new Map();
    ids.forEach((id, index) => { if (!first.has(id)) first.set(id, index); });
    return first;
  });

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
    return changes.map(([name, text]) => `${name} = ${text}`).join("   ");
  };

  // The values of the current call up to the current step, by line and by name.
  function gather(events, ids) {
    const lines = new Map(), names = new Map();
    for (let index = starts[test].get(ids[step]) ?? 0; index <= step; index++) {
      if (ids[index] !== ids[step]) continue;
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
    const top = row.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top + row.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = top - box.clientHeight / 2;
    }
  }

  function drawNames(names, changes) {
    const changed = new Set(changes.map(([name]) => name));
    byId("variables").replaceChildren(...[...names].map(([name, value]) => {
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

  function draw() {
    waiting = false;
    const { events, dropped } = data.tests[test];
    const has = events.length > 0;
    byId("controls").hidden = byId("state").hidden = !has;
    slider.max = String(Math.max(events.length - 1, 0));
    slider.value = String(step);
    byId("first").disabled = byId("back").disabled = step === 0;
    byId("next").disabled = byId("last").disabled = step >= events.length - 1;
    if (!has) { drawValues(new Map()); drawNow(-1); byId("live").textContent = "No trace."; return; }
    const event = events[step], { lines, names } = gather(events, frames[test]);
    drawValues(lines);
    drawNow(event[2]);
    drawNames(names, event[4]);
    const where = event[3] > 0 ? `, call depth ${event[3]}` : "";
    const cut = dropped && step === events.length - 1 ? `; ${dropped} more not shown` : "";
    byId("moment").textContent = `Step ${step + 1} of ${events.length}, line ${event[2]}${where}${cut}`;
    byId("story").textContent = told(event);
    byId("story").classList.toggle("raised", event[0] === "exception");
    slider.setAttribute("aria-valuetext", `Step ${step + 1} of ${events.length}`);
    byId("live").textContent = `Line ${event[2]}: ${told(event)}`;
  }

  function go(target) {
    step = Math.min(Math.max(target, 0), Math.max(data.tests[test].events.length - 1, 0));
    if (!waiting) { waiting = true; requestAnimationFrame(draw); }
  }

  function select(index, focus) {
    test = index;
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", String(each === index));
      tab.tabIndex = each === index ? 0 : -1;
    });
    panels.forEach((panel, each) => { panel.hidden = each !== index; });
    if (focus) tabs[index].focus();
    go(0);
  }

  const moves = {
    ArrowLeft: () => step - 1, ArrowRight: () => step + 1,
    Home: () => 0, End: () => data.tests[test].events.length - 1,
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
    const move = moves[event.key];
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

  byId("tabs").hidden = false;
  const failing = tabs.findIndex((tab) => tab.querySelector(".bad"));
  select(Math.max(failing, 0), false);
})();
