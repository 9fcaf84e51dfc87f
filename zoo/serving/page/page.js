"use strict";

const at = (id) => document.getElementById(id);

function headers(extra = {}) {
  const token = at("token").value.trim();
  return token ? { ...extra, Authorization: `Bearer ${token}` } : extra;
}

async function describe() {
  const answer = await fetch("openapi.json", { headers: headers() });
  if (!answer.ok) {
    at("status").textContent = (await answer.json()).error;
    return;
  }
  const { paths } = await answer.json();
  const models = paths["/models/{name}/predict"].post.parameters[0].schema.enum;
  at("model").replaceChildren(...models.map((name) => new Option(name)));
  const items = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { summary }]) => {
      const [term, details] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = `${method.toUpperCase()} ${path}`;
      details.textContent = summary;
      return [term, details];
    }),
  );
  at("operations").replaceChildren(...items);
  at("status").textContent = "";
}

async function predict(event) {
  event.preventDefault();
  let options = { body: at("json").value, headers: headers({ "Content-Type": "application/json" }) };
  if (at("files").files.length) {
    const form = new FormData();
    for (const file of at("files").files) form.append("file", file, file.name);
    options = { body: form, headers: headers() };
  }
  at("status").textContent = "…";
  try {
    const path = `models/${encodeURIComponent(at("model").value)}/predict`;
    const answer = await fetch(path, { method: "POST", ...options });
    at("answer").textContent = JSON.stringify(await answer.json(), null, 2);
    at("status").textContent = `${answer.status} ${answer.statusText}`;
  } catch (problem) {
    at("status").textContent = String(problem);
  }
}

at("form").addEventListener("submit", predict);
at("token").addEventListener("change", describe);
describe();
