// Owns the rows of a live page: they keep their places while a pointer or the focus is among them. Groups stay
// with their headings, new rows come last, at the end of the first group if they need attention. Once it has
// left or the pointer has rested, all is put in order. A finger leaves its :hover behind, and holds nothing.
(() => {
  const region = document.getElementById("live");
  if (!region) return;

  const STILL = 10000;
  const TABLES = ["table.grid", "table.ktable", "table.records"];
  const points = window.matchMedia("(hover: hover)");
  const isPointedAt = (element) => points.matches && Date.now() - pointed < STILL && element.matches(":hover");
  const isHeld = (table) => isPointedAt(table) || table.contains(document.activeElement);
  const held = () => TABLES.map((kind) => region.querySelector(kind)).filter((table) => table && isHeld(table));
  let later = ""; // the page in its own order, while rows keep their places
  let first = null; // the rows when the table began to be held, and whether they had failed
  let anchor = null; // the row that stays where it is on the screen
  let pointed = 0; // when the pointer moved last
  const inPlace = (html) => {
    const tables = held();
    later = tables.length ? html : "";
    first = later ? first ?? failures(region) : null;
    anchor = anchorIn(tables);
    if (!later) return html;
    const next = new DOMParser().parseFromString(html, "text/html");
    tables.forEach((table) => {
      const newer = next.querySelector(`table.${table.classList[0]}`);
      if (newer) keepPlaces(table, newer, next);
    });
    keepStill(next);
    tellWhatCame(next);
    return next.body.innerHTML;
  };
  const ordered = () => held().length ? "" : later;
  const stay = () => {
    const row = anchor && document.getElementById(anchor.id); // none: it has left the list
    if (row) scrollBy(0, row.getBoundingClientRect().top - anchor.top);
  };
  const URGENT = "rows-urgent";
  const failures = (page) => new Map([...page.querySelectorAll("table.tasks tr[id]")].map((row) => [row.id, row.classList.contains("bad")]));
  const anchorIn = (tables) => {
    const row = tables.flatMap(rowsOf).find((row) => row.matches(":hover") || row.contains(document.activeElement));
    return row && { id: row.id, top: row.getBoundingClientRect().top };
  };
  // A quiet line over the table, which takes no room, for what came while its rows keep their places.
  const tellWhatCame = (next) => {
    const rows = [...failures(next)];
    const came = rows.filter(([id]) => !first.has(id)).length;
    const failed = rows.filter(([id, bad]) => bad && !first.get(id)).length;
    const words = [came && `${came} new`, failed && `${failed} failed`].filter(Boolean).join(", ");
    if (!words) return;
    const line = Object.assign(next.createElement("p"), { className: "came" });
    line.append(Object.assign(next.createElement("span"), { textContent: words }));
    next.querySelector("table.tasks").before(line);
  };
  const rowsOf = (table) => [...table.querySelectorAll("tbody tr[id]")];
  const keepPlaces = (table, newer, next) => {
    const known = new Set(rowsOf(table).map((row) => row.id));
    if (!known.size) return;
    const added = rowsOf(newer).filter((row) => !known.has(row.id));
    const groups = [...table.tBodies].map((group) => {
      const kept = group.cloneNode(false);
      kept.append(...[...group.rows].map((row) => row.id ? next.getElementById(row.id) : row.cloneNode(true)).filter(Boolean));
      return kept;
    });
    const urgent = groups.find((group) => group.id === URGENT);
    added.forEach((row) => (row.parentElement.id === URGENT && urgent || groups.at(-1)).append(row));
    [...newer.tBodies].forEach((group) => group.remove());
    newer.append(...groups);
  };
  // A line above the table comes and goes only while nobody points at the rows.
  const keepStill = (next) => {
    const line = region.querySelector(".still"), newer = next.querySelector(".still");
    if (!line) newer?.remove();
    else if (!newer) {
      const place = line.cloneNode(true);
      place.classList.add("gone");
      next.querySelector("table.grid")?.before(place);
    }
  };

  document.addEventListener("pointermove", () => { pointed = Date.now(); }, { passive: true });
  window.statestore.rows = { inPlace, ordered, stay };
})();
