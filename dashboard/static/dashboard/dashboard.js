// What every page has: theme, shortcuts, copying, times that age. The pages work without it.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- what a browser keeps; where it keeps nothing, it lasts for this page ---
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* as said */ } };

  // --- theme: auto, light, dark; the names that Django's admin uses ---
  const THEMES = ["auto", "light", "dark"];
  const WORDS = { auto: "system", light: "light", dark: "dark" };
  let theme = THEMES.includes(kept("theme")) ? kept("theme") : "auto";
  const showTheme = () => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    all("[data-theme-word]").forEach((word) => { word.textContent = `Theme: ${WORDS[theme]}`; });
  };
  const nextTheme = () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    keep("theme", theme);
    showTheme();
  };

  // --- times ---
  const STEPS = [[86400, "day"], [3600, "h"], [60, "min"], [1, "s"]];
  const relative = (seconds) => {
    const size = Math.abs(seconds);
    if (size < 1) return "now";
    const [length, unit] = STEPS.find(([step]) => size >= step);
    const number = seconds > 0 ? Math.round(size / length) : Math.floor(size / length);
    const amount = `${number} ${unit}${unit === "day" && number > 1 ? "s" : ""}`;
    return seconds > 0 ? `in ${amount}` : `${amount} ago`;
  };
  const age = () => {
    all("time[data-relative]").forEach((time) => {
      const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
      const text = relative(time.dataset.relative === "ahead" ? Math.max(0, seconds) : seconds);
      if (time.textContent !== text) time.textContent = text;
    });
  };

  // --- what only works with this script is shown by it ---
  const reveal = (within = document) => all("[data-copy], [data-theme-toggle], [data-help]", within)
    .forEach((element) => { element.hidden = false; });

  const copyText = async (text) => {
    try {
      if (text === null) throw new Error("it could not be fetched");
      await navigator.clipboard.writeText(text);
      say("Copied");
      return true;
    } catch {
      say("Copying is not possible here: select the text instead");
      return false;
    }
  };
  // A long value is not in the page: it is fetched.
  const textOf = async ({ dataset: { copy, copyFrom } }) => {
    if (!copyFrom) return copy;
    const answer = await fetch(copyFrom).catch(() => null);
    return answer?.ok && !answer.redirected ? answer.text() : null;
  };
  const copy = async (button) => {
    if (!await copyText(await textOf(button))) return;
    const icon = button.querySelector("use");
    const before = icon?.getAttribute("href");
    icon?.setAttribute("href", before.replace(/#.*/, "#check"));
    setTimeout(() => icon?.setAttribute("href", before), 1500);
  };

  // --- rows: the link that has the focus says which one it is, so that Enter opens it ---
  const step = (by) => {
    const links = all("tbody tr[id] [data-row]").filter((link) => link.checkVisibility());
    const here = links.indexOf(document.activeElement);
    const next = links[here < 0 ? (by > 0 ? 0 : links.length - 1) : here + by];
    next?.focus();
    next?.closest("tr").scrollIntoView({ block: "nearest" });
  };
  const copyHere = () => {
    const row = document.activeElement?.closest("tr[id]");
    if (row?.dataset.text) return copyText(row.dataset.text);
    const button = (row ?? document).querySelector(row ? "[data-copy-from]" : "[data-copy-all]");
    if (button) copy(button);
  };

  const say = (text) => { document.getElementById("announce").textContent = text; };

  // --- a link that asks first: its page's form comes as a dialog ---
  const ask = async (link) => {
    const dialog = document.getElementById("asked");
    try {
      const answer = await fetch(link.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const form = answer.ok && page.getElementById(link.dataset.ask || "ask");
      if (!form) throw new Error(answer.statusText);
      fill(dialog, form);
    } catch {
      location.href = link.href;
      return;
    }
    const form = dialog.firstElementChild, typed = form.querySelector("#typed");
    const check = () => {
      if (typed) form.querySelector("[type=submit]").disabled = typed.value.trim() !== form.dataset.typed.trim();
    };
    form.addEventListener("input", check);
    check();
    dialog.showModal();
    (typed ?? form.querySelector("[data-cancel]")).focus();
  };
  const fill = (dialog, content) => {
    dialog.replaceChildren(content);
    dialog.setAttribute("aria-labelledby", `${content.id}-title`);
    const cancel = content.querySelector("[data-cancel]");
    cancel.hidden = false;
    cancel.addEventListener("click", (event) => { event.preventDefault(); dialog.close(); });
  };

  // --- what is revealed comes as a dialog too: it is gone when that is closed ---
  const revealValue = async (form) => {
    const dialog = document.getElementById("asked");
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    let section;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      section = answer.ok && page.getElementById("revealed");
    } catch { /* the browser says what is wrong */ }
    button.disabled = false;
    if (!section) return form.submit();
    fill(dialog, section);
    if (!dialog.open) dialog.showModal();
    section.querySelector("[data-cancel]").focus();
  };
  document.getElementById("asked").addEventListener("close", (event) => event.target.replaceChildren());
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-reveal]")) return;
    event.preventDefault();
    revealValue(event.target);
  });

  document.addEventListener("click", (event) => {
    const asks = event.target.closest("a[data-ask]");
    if (asks && !event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); ask(asks); }
    if (event.target.closest("[data-theme-toggle]")) nextTheme();
    if (event.target.closest("[data-help]")) document.getElementById("help").showModal();
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    all("[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });

  // --- shortcuts: off for those who dictate, whose words would be taken for them ---
  const shortcuts = document.getElementById("shortcuts");
  shortcuts.checked = kept("shortcuts") !== "off";
  const showSlash = () => all("[data-hotkey] + kbd").forEach((key) => { key.hidden = !shortcuts.checked; });
  shortcuts.addEventListener("change", () => {
    keep("shortcuts", shortcuts.checked ? "on" : "off");
    showSlash();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      all("[data-menu][open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
    }
    const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (!shortcuts.checked || typing || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-hotkey='/']");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "t") nextTheme();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "c") copyHere();
    else if (event.key === "?") {
      const help = document.getElementById("help");
      if (!help.open) help.showModal();
    } else if (event.key === "p") document.getElementById("live-pill")?.click();
  });

  window.statestore = { age, reveal, relative, say };
  showTheme();
  showSlash();
  reveal();
  age();
  setInterval(age, 1000);
})();
