// Swagger UI over the API's own description. A token is kept by the page alone, and forgotten with it.
"use strict";

const mount = document.getElementById("api-docs");
const csrf = document.querySelector("input[name=csrfmiddlewaretoken]"); // there where somebody is logged in

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => {
  const chosen = document.documentElement.dataset.theme;
  document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : dark.matches);
};
theme();
dark.addEventListener("change", theme);
new MutationObserver(theme).observe(document.documentElement, { attributeFilter: ["data-theme"] });

SwaggerUIBundle({
  url: mount.dataset.schema,
  domNode: mount,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (csrf && !request.headers.Authorization) request.headers["X-CSRFToken"] = csrf.value;
    return request;
  },
});
