// What every page has: theme, shortcuts, copying, times that age. The pages work without it.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- theme: auto, light, dark; the names that Django's admin uses ---
  const THEMES = ["auto", "light", "dark"];
  const WORDS = { auto: "system", light: "light", dark: "dark" };
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  const showTheme = () => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
    all("[data-theme-word]").forEach((word) => { word.textContent = `Theme: ${WORDS[theme]}`; });
  };
  const nextTheme = () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try { localStorage.setItem("theme", theme); } catch { /* lasts for this page */ }
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
      const text = relative((Date.parse(time.dateTime) - Date.now()) / 1000);
      if (time.textContent !== text) time.textContent = text;
    });
  };

  // --- what only works with this script is shown by it ---
  const reveal = (within = document) => all("[data-copy], [data-theme-toggle], [data-help]", within)
    .forEach((element) => { element.hidden = false; });

  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      say("Copied");
    } catch {
      say("Copying is not possible here: select the text instead");
      return;
    }
    const icon = button.querySelector("use");
    const before = icon?.getAttribute("href");
    icon?.setAttribute("href", before.replace(/#.*/, "#check"));
    setTimeout(() => icon?.setAttribute("href", before), 1500);
  };

  const say = (text) => { document.getElementById("announce").textContent = text; };

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-toggle]")) nextTheme();
    if (event.target.closest("[data-help]")) document.getElementById("help").showModal();
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    all("[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      all("[data-menu][open]").forEach((menu) => { menu.open = false; menu.querySelector("summary").focus(); });
    }
    const typing = event.target.closest?.("input, select, textarea, [contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-hotkey='/']");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "t") nextTheme();
    else if (event.key === "?") {
      const help = document.getElementById("help");
      if (!help.open) help.showModal();
    } else if (event.key === "p") document.getElementById("live-pill")?.click();
  });

  window.statestore = { age, reveal, relative, say };
  showTheme();
  reveal();
  age();
  setInterval(age, 1000);
})();
