// Before the first paint: the theme that was chosen. The admin site keeps its choice under the same name.
(() => {
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* storage is off: follow the system */ }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
