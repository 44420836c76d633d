"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const documents = JSON.parse($("data").textContent);
  const across = JSON.parse($("across-data").textContent);
  const step = 100, printable = 500;
  let shown = [], drawn = 0, words = [];

  // All that comes from documents is put in as text; only d.html, which was made
  // safe when this page was, is HTML.
  const make = (tag, className, text) => {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) lit(e, text);
    return e;
  };
  const lit = (e, text) => {
    if (!words.length) { e.textContent = text; return; }
    const lower = text.toLowerCase();
    if (lower.length !== text.length) { e.textContent = text; return; }
    let at = 0;
    while (at < text.length) {
      let from = -1, length = 0;
      for (const w of words) {
        const i = lower.indexOf(w, at);
        if (i >= 0 && (from < 0 || i < from)) { from = i; length = w.length; }
      }
      if (from < 0) break;
      e.append(text.slice(at, from), Object.assign(document.createElement("mark"), { textContent: text.slice(from, from + length) }));
      at = from + length;
    }
    e.append(text.slice(at));
  };

  const place = (c) => [c.unit && c.number ? c.unit + " " + c.number : "", c.heading || ""].filter(Boolean).join(", ");
  const sources = (list) => {
    const ul = make("ul", "sources");
    for (const c of list || []) {
      const li = make("li", c.bad ? "unverified" : c.doubt ? "unchecked" : "");
      if (c.doubt) li.dataset.doubt = c.doubt;
      const where = place(c);
      if (c.document) {
        const a = make("a", "", c.document);
        a.href = "#";
        a.addEventListener("click", (e) => { e.preventDefault(); open(c.document); });
        const em = make("em"); em.append(a); li.append(em);
        if (where) em.append(", " + where);
      } else if (where) li.append(make("em", "", where));
      else li.append(make("span", "bare"));
      if (c.quote) { if (where || c.document) li.append(" "); li.append(make("q", "", c.quote)); }
      ul.append(li);
    }
    return ul;
  };
  const section = (body, heading, content) => body.append(make("h3", "", heading), content);
  const points = (body, heading, list) => {
    if (!list || !list.length) return;
    const ul = make("ul", "points");
    for (const p of list) {
      const li = make("li", "", p.text);
      if (p.sources && p.sources.length) li.append(sources(p.sources));
      ul.append(li);
    }
    section(body, heading, ul);
  };
  const mentions = (body, heading, list) => {
    if (!list || !list.length) return;
    const dl = make("dl", "mentions");
    for (const m of list) dl.append(make("dt", "", m.value), make("dd", "", m.meaning));
    section(body, heading, dl);
  };
  const link = (href, text) => { const a = make("a", "", text); a.href = href; return a; };

  const fill = (body, d) => {
    if (d.reason) body.append(make("p", "note failed", d.reason));
    for (const note of [d.note, d.unanswered]) if (note) body.append(make("p", "note", note));
    if (d.html) { const prose = make("div", "prose"); prose.innerHTML = d.html; body.append(prose); }
    if (d.custom) body.append(make("pre", "json", d.custom));
    points(body, "Key points", d.points);
    points(body, "Open questions", d.questions);
    mentions(body, "Dates", d.dates);
    mentions(body, "Names", d.names);
    mentions(body, "Numbers", d.numbers);
    if (d.missing) {
      const ul = make("ul", "points");
      for (const m of d.missing) ul.append(make("li", "", m));
      section(body, "Not read", ul);
    }
    for (const raw of d.raw || []) section(body, "Answer that could not be used", make("pre", "json", raw));
    const foot = make("div", "foot", [d.coverage, d.origin].filter(Boolean).join(". "));
    if (d.file) foot.append(" · ", link(encodeURIComponent(d.file), "Markdown"), " · ", link(encodeURIComponent(d.data), "JSON"));
    body.append(foot);
  };
  const card = (d, whole) => {
    const e = make("details", "card");
    const s = make("summary");
    s.append(make("h2", "", d.title));
    const facts = make("div", "facts");
    if (d.status !== "succeeded") facts.append(make("span", "badge " + d.status, d.word), " ");
    if (d.unverified) facts.append(make("span", "badge unverified", d.unverified + " unverified"), " ");
    facts.append([d.size, d.price].filter(Boolean).join(" · "));
    s.append(facts);
    if (!whole) s.append(make("div", "path", d.path));
    if (d.reason) s.append(make("div", "reason", d.reason));
    else if (d.gist) s.append(make("div", "gist", d.gist));
    e.append(s);
    let body;
    e.unfold = () => { if (!body) { body = make("div", "body"); fill(body, d); e.append(body); } };
    e.addEventListener("toggle", () => { if (e.open) e.unfold(); });
    d.card = e;
    return e;
  };

  const list = $("list"), more = $("more"), found = $("found");
  const draw = (until) => {
    const some = document.createDocumentFragment();
    for (; drawn < Math.min(until, shown.length); drawn++) some.append(card(shown[drawn]));
    list.append(some);
    more.hidden = drawn >= shown.length;
  };
  const haystack = (d) => d.hay ??= [d.title, d.path, d.reason, d.gist, d.html && d.html.replace(/<[^>]*>/g, " "), d.custom,
    ...[...(d.points || []), ...(d.questions || [])].map((p) => p.text + " " + (p.sources || []).map((c) => c.quote).join(" ")),
    ...[...(d.dates || []), ...(d.names || []), ...(d.numbers || [])].map((m) => m.value + " " + m.meaning)].filter(Boolean).join(" ").toLowerCase();
  const collator = new Intl.Collator(undefined, { numeric: true });
  const orders = {
    path: (a, b) => collator.compare(a.path, b.path),
    title: (a, b) => collator.compare(a.title, b.title),
    cost: (a, b) => (b.cost ?? -1) - (a.cost ?? -1),
    tokens: (a, b) => b.tokens - a.tokens,
    unverified: (a, b) => (b.unverified || 0) - (a.unverified || 0),
    newest: (a, b) => collator.compare(b.at || "", a.at || ""),
  };
  const select = () => {
    words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = $("status").value;
    shown = documents.filter((d) => (!status || d.status === status) && words.every((w) => haystack(d).includes(w)));
    shown.sort((a, b) => orders[$("order").value](a, b) || a.n - b.n);
    list.textContent = "";
    drawn = 0;
    draw(step);
    found.textContent = shown.length === documents.length ? "" : shown.length.toLocaleString() + " of " + documents.length.toLocaleString() + " documents";
    $("empty").hidden = shown.length > 0;
  };
  const open = (path) => {
    if (!shown.some((d) => d.path === path)) { $("query").value = ""; $("status").value = ""; select(); }
    const i = shown.findIndex((d) => d.path === path);
    if (i < 0) return;
    draw(i + 1);
    shown[i].card.open = true;
    shown[i].card.scrollIntoView();
  };

  let typing;
  $("query").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(select, documents.length > 1000 ? 200 : 60); });
  $("status").addEventListener("change", select);
  $("order").addEventListener("change", select);
  more.addEventListener("click", () => draw(drawn + step));
  new IntersectionObserver((seen) => { if (seen.some((e) => e.isIntersecting)) draw(drawn + step); }, { rootMargin: "800px" }).observe(more);
  const unfold = (on) => {
    for (const e of document.querySelectorAll(".card")) { if (on) e.unfold(); e.open = on; }
    $("unfold").setAttribute("aria-pressed", on);
    $("unfold").textContent = on ? "Fold all" : "Unfold all";
  };
  $("unfold").addEventListener("click", () => unfold($("unfold").getAttribute("aria-pressed") !== "true"));
  addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== $("query")) { e.preventDefault(); $("query").focus(); }
    if (e.key === "Escape" && document.activeElement === $("query")) { $("query").value = ""; select(); }
  });

  const kept = () => { try { return localStorage.getItem("longhaul-theme"); } catch { return null; } };
  const root = document.documentElement;
  if (kept()) root.dataset.theme = kept();
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("longhaul-theme", root.dataset.theme); } catch { /* a page from a file may keep nothing */ }
  });

  // What is printed is what is selected, unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    draw(printable);
    folded = [...document.querySelectorAll(".card:not([open])")].slice(0, printable);
    for (const e of folded) { e.unfold(); e.open = true; }
    $("cut").hidden = drawn >= shown.length;
  });
  addEventListener("afterprint", () => { for (const e of folded) e.open = false; $("cut").hidden = true; });

  for (const e of document.querySelectorAll(".share i")) e.style.flexGrow = e.dataset.n;
  if (across) { const e = card(across, true); e.classList.add("across"); $("across").append(e); e.unfold(); e.open = true; }
  documents.forEach((d, n) => { d.n = n; });
  select();
})();
