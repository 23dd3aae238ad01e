// What the pages do beyond being read: the claims filter and sort, the search, the rows explorer. No network, no library.
"use strict";

const make = (name, fields = {}, ...children) => {
  const element = Object.assign(document.createElement(name), fields);
  element.append(...children);
  return element;
};
const choice = (label, options, act) => {
  const select = make("select", { onchange: act }, ...options.map((o) => make("option", { value: o, textContent: o || "all" })));
  return [make("label", {}, `${label} `, select), select];
};

// ---- tables: a click on a heading sorts -----------------------------------------------------------
for (const table of document.querySelectorAll("table.sorts")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const sort = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = (row) => row.cells[column].textContent.trim();
      const order = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true }) * (up ? 1 : -1);
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
    };
    head.replaceChildren(make("button", { type: "button", textContent: head.textContent, onclick: sort }));
  });
}

// ---- claims: what is shown follows the words, the verdict and the tally ----------------------------
const claims = document.querySelector("table.claims");
if (claims) {
  const rows = [...claims.tBodies[0].rows];
  const values = (name) => ["", ...new Set(rows.map((row) => row.dataset[name]))];
  const said = make("p", { className: "said" });
  said.setAttribute("role", "status");
  const words = make("input", { type: "search", placeholder: "words, ids" });
  words.setAttribute("aria-label", "Filter by words or ids");
  const show = () => {
    const wanted = words.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const fits = (!verdict.value || row.dataset.verdict === verdict.value) && (!tally.value || row.dataset.tally === tally.value);
      row.hidden = !(fits && wanted.every((w) => row.textContent.toLowerCase().includes(w)));
      const article = document.getElementById(row.dataset.claim);
      if (article) article.hidden = row.hidden;
      shown += !row.hidden;
    }
    said.textContent = `${shown} of ${rows.length} claims`;
  };
  const [verdictLabel, verdict] = choice("verdict", values("verdict"), show);
  const [tallyLabel, tally] = choice("tally", values("tally"), show);
  words.oninput = show;
  claims.closest(".wide").before(make("div", { className: "controls" }, words, verdictLabel, tallyLabel), said);
  show();
}

// ---- search: every part of every page that has the words -------------------------------------------
const found = document.getElementById("found");
if (found) {
  const query = document.querySelector("main input[name=q]");
  const look = () => {
    const wanted = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = wanted.length ? INDEX.filter((part) => wanted.every((w) => `${part.title} ${part.text}`.toLowerCase().includes(w))) : [];
    found.replaceChildren(...hits.slice(0, 60).map((part) => {
      const at = Math.max(0, part.text.toLowerCase().indexOf(wanted[0]) - 60);
      return make("li", {}, make("a", { href: part.url, textContent: part.title }), make("p", { textContent: part.text.slice(at, at + 200) }));
    }));
    document.getElementById("said").textContent = wanted.length ? `${hits.length} found` : "";
  };
  query.value = new URLSearchParams(location.search).get("q") ?? "";
  query.oninput = look;
  look();
}

// ---- rows: paired differences by seed, with the t interval and the exact sign-flip p ----------------
const explorer = document.getElementById("explorer");
if (explorer) {
  const asked = new URLSearchParams(location.search);
  const fill = (select, options, wanted) => {
    const keep = options.includes(select.value) ? select.value : options.includes(wanted) ? wanted : options[0];
    select.replaceChildren(...options.map((o) => make("option", { value: o, textContent: o })));
    select.value = keep;
  };
  const [experimentLabel, experiment] = choice("experiment", [], () => refill());
  const [metricLabel, metric] = choice("score", ROWS.metrics, () => draw());
  const [quantityLabel, quantity] = choice("quantity", [], () => draw());
  const [aLabel, a] = choice("arm", [], () => draw());
  const [bLabel, b] = choice("minus", [], () => draw());
  const refill = () => {
    const own = ROWS.experiments[experiment.value];
    fill(quantity, Object.keys(own.values), asked.get("quantity"));
    fill(a, own.arms, asked.get("a") ?? own.arms.at(-1));
    fill(b, own.arms, asked.get("b"));
    draw();
  };
  const flip = (d) => { // two-sided: the share of all sign patterns whose mean is as far from 0
    const total = Math.abs(d.reduce((x, y) => x + y, 0)) - 1e-12;
    let far = 0;
    for (let bits = 0; bits < 2 ** d.length; bits++) {
      far += Math.abs(d.reduce((x, y, i) => x + ((bits >> i) & 1 ? -y : y), 0)) >= total;
    }
    return far / 2 ** d.length;
  };
  const draw = () => {
    const own = ROWS.experiments[experiment.value];
    const values = own.values[quantity.value][metric.value];
    const [one, other] = [a, b].map((side) => values[own.arms.indexOf(side.value)]);
    const pairs = own.seeds.map((seed, i) => [seed, one[i], other[i]]).filter((p) => p[1] !== null && p[2] !== null);
    const d = pairs.map((p) => p[1] - p[2]), n = d.length;
    const mean = d.reduce((x, y) => x + y, 0) / n;
    const half = n > 1 ? ROWS.t[n - 2] * Math.sqrt(d.reduce((x, y) => x + (y - mean) ** 2, 0) / (n - 1) / n) : NaN;
    const sign = (x) => (x < 0 ? "" : "+") + x.toFixed(3);
    const p = n > 1 && n <= 16 ? `, p = ${flip(d).toPrecision(2)}` : "";
    const interval = n > 1 ? ` [${sign(mean - half)}, ${sign(mean + half)}]${p}` : "";
    result.textContent = n ? `${quantity.value}: ${a.value} minus ${b.value} is ${sign(mean)}${interval} (${n} seeds, paired)` : "No seed has both arms.";
    const low = Math.min(0, ...d, n > 1 ? mean - half : 0), high = Math.max(0, ...d, n > 1 ? mean + half : 0);
    const x = (value) => 20 + (560 * (value - low)) / (high - low || 1);
    const dots = d.map((v, i) => `<circle cx="${x(v)}" cy="${22 + 14 * i}" r="4"><title>seed ${pairs[i][0]}: ${sign(v)}</title></circle>`);
    const at = 22 + 14 * n;
    const bar = n > 1 ? `<path d="M${x(mean - half)} ${at}H${x(mean + half)}" stroke-width="3"/><path d="M${x(mean)} ${at - 7}v14" stroke-width="3"/>` : "";
    const ends = `<text x="20" y="${at + 30}">${sign(low)}</text><text x="580" y="${at + 30}" text-anchor="end">${sign(high)}</text>`;
    picture.innerHTML = `<svg viewBox="0 0 600 ${at + 40}" role="img" aria-label="Differences by seed and their mean"><path class="zero" d="M${x(0)} 8V${at + 12}"/>${dots.join("")}${bar}${ends}</svg>`;
    const cell = (text) => make("td", { textContent: text });
    table.replaceChildren(...pairs.map(([seed, y, z]) => make("tr", {}, cell(seed), cell(y.toFixed(3)), cell(z.toFixed(3)), cell(sign(y - z)))));
  };
  const result = make("p", { className: "result" }), picture = make("div"), table = make("tbody");
  result.setAttribute("role", "status");
  const heads = ["seed", "arm", "minus", "difference"].map((text) => make("th", { textContent: text }));
  explorer.append(
    make("div", { className: "controls" }, experimentLabel, quantityLabel, metricLabel, aLabel, bLabel), result, picture,
    make("div", { className: "wide" }, make("table", {}, make("thead", {}, make("tr", {}, ...heads)), table)),
  );
  fill(experiment, Object.keys(ROWS.experiments), asked.get("experiment"));
  refill();
}
