// Sets up Swagger UI: the contract from where this page is, in the colours that
// the reader has, and only as far unfolded as one can take in.
"use strict";
(() => {
  const MANY = 60;
  const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");

  // Storage may be closed to the page; then the choice lasts until it is left.
  let chosen = null;
  try { chosen = localStorage.getItem("portolan-docs-theme"); } catch { /* closed */ }
  const isDark = () => (chosen ?? (system.matches ? "dark" : "light")) === "dark";
  const paint = () => {
    document.documentElement.classList.toggle("dark-mode", isDark());
    button.textContent = isDark() ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    chosen = isDark() ? "light" : "dark";
    try { localStorage.setItem("portolan-docs-theme", chosen); } catch { /* closed */ }
    paint();
  });
  system.addEventListener("change", paint);
  paint();

  // What is shown at first: the rules, or the RPCs' own paths where there are
  // no rules; the same RPCs by other paths wait for a click.
  const unfolded = (spec) => {
    const sizes = new Map();
    for (const item of Object.values(spec.paths ?? {})) {
      for (const method of METHODS) {
        const tag = item[method]?.tags?.[0];
        if (tag !== undefined) sizes.set(tag, (sizes.get(tag) ?? 0) + 1);
      }
    }
    const kinds = [/\)$/, / \(by RPC\)$/, / \(by name\)$/];
    const of = (kind) => [...sizes.keys()].filter((tag) => kinds[kind].test(tag));
    const rules = [...sizes.keys()].filter((tag) => !kinds[0].test(tag));
    const tags = [rules, of(1), of(2)].find((tags) => tags.length > 0) ?? [];
    const total = tags.reduce((sum, tag) => sum + sizes.get(tag), 0);
    return total <= MANY ? tags : [];
  };

  const fail = (error) => {
    const place = document.querySelector("#api");
    const words = document.createElement("p");
    words.className = "wait";
    words.textContent = `The contract cannot be read: ${error.message}`;
    place.replaceChildren(words);
  };

  fetch("openapi.json")
    .then((response) => {
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return response.json();
    })
    .then((spec) => {
      const ui = SwaggerUIBundle({
        spec,
        dom_id: "#api",
        deepLinking: true,
        docExpansion: "none",
        defaultModelsExpandDepth: 0,
        displayRequestDuration: true,
        filter: true,
        tryItOutEnabled: true,
        validatorUrl: null,
        presets: [SwaggerUIBundle.presets.apis],
        layout: "BaseLayout",
        onComplete: () => {
          if (location.hash.length > 1) return;
          for (const tag of unfolded(spec)) {
            ui.layoutActions.show(["operations-tag", tag], true);
          }
        },
      });
    })
    .catch(fail);
})();
