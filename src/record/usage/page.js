"use strict";
// Sorting, filtering and paging of the tables. Without this script the page shows each table's first rows.
(() => {
  const { tables, first_rows } = JSON.parse(document.getElementById("data").textContent);
  // On a phone each row is a card.
  const ROWS = matchMedia("screen and (max-width: 759px)").matches ? 15 : first_rows;
  const FEW = 6;
  const NUMBERS = ["size", "count", "money", "difference"];
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  // Builds an element; text is always set as text.
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // 1234567 → "1.23 MB": three digits, in powers of ten, halves up, as the program does it.
  function size(value) {
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let unit = 1;
    let at = 0;
    while (at < units.length - 1 && value >= 999.5 * unit) {
      unit *= 1000;
      at += 1;
    }
    const digits = at === 0 || value >= 99.95 * unit ? 0 : value >= 9.995 * unit ? 1 : 2;
    return `${(Math.floor(value / (unit / 10 ** digits) + 0.5) / 10 ** digits).toFixed(digits)} ${units[at]}`;
  }

  const grouped = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const count = (value) => grouped(value, 0);
  const FORMATS = {
    size,
    count,
    money: (value) => grouped(value, 2),
    difference: (value) => (value > 0 ? "+" : value < 0 ? "−" : "±") + size(Math.abs(value)),
  };
  const wordOf = (column, value) => (Object.hasOwn(column.words, value) ? [column.words[value]].flat()[0] : value);
  const isNothing = (value) => value === null || (Array.isArray(value) && value.length === 0);

  function listed(items) {
    return items.flatMap((item, at) => (at ? [", ", element("bdi", {}, item)] : [element("bdi", {}, item)]));
  }

  // What stands in a cell: the same as the page's template writes.
  function contents(value, column) {
    if (isNothing(value)) return [element("span", { class: "none" }, column.none)];
    switch (column.kind) {
      case "repository":
        return [element("a", { href: "#images", "data-show": "" }, value)];
      case "address":
        return value.split("/").flatMap((part, at) => (at ? ["/", element("wbr", {}), part] : [part]));
      case "list": {
        const more = value.length > 3 ? [" ", element("details", {}, element("summary", {}, `${value.length - 3} more`), ...listed(value.slice(3)))] : [];
        return [...listed(value.slice(0, 3)), ...more];
      }
      case "digest":
        return [element("code", { title: value }, value.slice(7, 19))];
      case "state":
        return [element("span", { class: `mark ${column.words[value][1]}` }, column.words[value][0])];
      case "run":
        return Object.hasOwn(column.words, value) ? [element("span", { class: "none" }, column.words[value])] : [value];
      default:
        return [FORMATS[column.kind]?.(value) ?? value];
    }
  }

  function rowOf(values, columns) {
    const cells = values.map((value, at) => {
      const column = columns[at];
      const attributes = at === 0 ? { role: "rowheader", scope: "row", class: column.kind } : { role: "cell", class: column.kind, "data-label": column.title };
      return element(at === 0 ? "th" : "td", attributes, ...contents(value, column));
    });
    return element("tr", { role: "row" }, ...cells);
  }

  // Ascending; a "run" that is no time comes before all times.
  function compare(a, b, column) {
    if (NUMBERS.includes(column.kind)) return a - b;
    if (column.kind === "run") return Object.hasOwn(column.words, b) - Object.hasOwn(column.words, a) || (a < b ? -1 : a > b ? 1 : 0);
    if (Array.isArray(a)) return a.length - b.length || collator.compare(a.join(), b.join());
    return collator.compare(wordOf(column, a), wordOf(column, b));
  }

  class Table {
    constructor(place, { nouns, columns, rows, by }) {
      Object.assign(this, { place, nouns, columns, rows, by, shown: rows, page: 0, descending: true, words: "", chosen: new Map() });
      this.status = place.querySelector(".status");
      this.body = place.querySelector("tbody");
      this.headings = [...place.querySelectorAll("thead th")];
      this.makeTools();
      this.makeHeadings();
      this.makePager();
      if (ROWS < first_rows) this.show();
      else this.tell();
    }

    makeTools() {
      this.tools = element("div", { class: "filters", role: "group", "aria-label": `Filter and sort ${this.nouns[1]}` });
      this.search = element("input", { type: "search", autocomplete: "off", spellcheck: "false" });
      this.search.addEventListener("input", () => this.filter());
      this.tools.append(element("label", { class: "search" }, "Contains", this.search));
      this.facets = new Map();
      this.columns.forEach((column, at) => column.facet && this.makeFacet(column, at));
      this.order = element("select", {}, element("option", { value: "" }, "as given"));
      this.columns.forEach(({ title }, at) => {
        this.order.append(element("option", { value: `${at} down` }, `${title} ↓`), element("option", { value: `${at} up` }, `${title} ↑`));
      });
      this.order.addEventListener("change", () => {
        const [at, direction] = this.order.value.split(" ");
        this.sort(at === "" ? null : Number(at), direction === "down");
      });
      this.tools.append(element("label", { class: "order" }, "Sort by", this.order));
      // What is seen at a glance needs no search, until a link asks for a repository.
      this.tools.hidden = this.rows.length < FEW;
      this.place.querySelector(".tools").prepend(this.tools);
    }

    makeFacet(column, at) {
      const values = [...new Set(this.rows.flatMap((row) => row[at]))].sort((a, b) => collator.compare(wordOf(column, a), wordOf(column, b)));
      if (values.length < 2) return;
      const select = element("select", {}, element("option", { value: "" }, "all"));
      values.forEach((value, index) => select.append(element("option", { value: index }, wordOf(column, value))));
      select.addEventListener("change", () => {
        if (select.value === "") this.chosen.delete(at);
        else this.chosen.set(at, values[Number(select.value)]);
        this.filter();
      });
      this.facets.set(column.title, { select, values });
      this.tools.append(element("label", {}, column.title, select));
    }

    makeHeadings() {
      this.headings.forEach((heading, at) => {
        const button = element("button", { type: "button" }, heading.textContent);
        // Numbers and times are wanted the largest first, names from A.
        const down = [...NUMBERS, "time", "run"].includes(this.columns[at].kind);
        button.addEventListener("click", () => this.sort(at, this.by === at ? !this.descending : down));
        heading.dataset.title = heading.textContent;
        heading.replaceChildren(button);
      });
      this.order.value = this.by === null ? "" : `${this.by} down`;
    }

    makePager() {
      this.back = element("button", { type: "button" }, "Previous");
      this.next = element("button", { type: "button" }, "Next");
      this.at = element("span", {});
      this.back.addEventListener("click", () => this.turn(-1));
      this.next.addEventListener("click", () => this.turn(1));
      this.pager = element("div", { class: "pager", role: "group", "aria-label": `Pages of ${this.nouns[1]}` }, this.at, this.back, this.next);
      // What stands above says it to who listens.
      this.nothing = element("p", { class: "empty nothing" }, `No ${this.nouns[0]} matches.`);
      this.nothing.hidden = true;
      this.place.append(this.nothing, this.pager);
    }

    // All that is searched of a row, made when it is first asked for.
    haystacks() {
      this.hay ??= this.rows.map((row) => {
        const words = row.map((value, at) => (typeof value === "number" || value === null ? "" : [value].flat().map((item) => wordOf(this.columns[at], item)).join("\n")));
        return words.join("\n").toLowerCase();
      });
      return this.hay;
    }

    filter() {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = [...this.chosen];
      const hay = words.length ? this.haystacks() : [];
      const holds = (row, at) => chosen.every(([column, value]) => [row[column]].flat().includes(value)) && words.every((word) => hay[at].includes(word));
      this.shown = this.ordered(this.rows.filter(holds));
      this.page = 0;
      this.show();
    }

    sort(by, descending) {
      this.by = by;
      this.descending = descending;
      this.order.value = by === null ? "" : `${by} ${descending ? "down" : "up"}`;
      this.headings.forEach((heading, at) => {
        if (at === by) heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        else heading.removeAttribute("aria-sort");
      });
      this.filter();
    }

    // What is not known comes last in both directions; what is equal stays as the report has it.
    ordered(rows) {
      if (this.by === null) return rows;
      const column = this.columns[this.by];
      const known = rows.filter((row) => !isNothing(row[this.by]));
      known.sort((a, b) => compare(a[this.by], b[this.by], column) * (this.descending ? -1 : 1));
      return known.concat(rows.filter((row) => isNothing(row[this.by])));
    }

    turn(pages) {
      this.page += pages;
      this.show();
      this.place.scrollIntoView({ block: "start" });
      // A button that has become unusable must not keep the focus.
      const button = pages < 0 ? this.back : this.next;
      if (button.disabled) (pages < 0 ? this.next : this.back).focus({ preventScroll: true });
    }

    show() {
      const rows = this.shown.slice(this.page * ROWS, (this.page + 1) * ROWS);
      this.body.replaceChildren(...rows.map((row) => rowOf(row, this.columns)));
      this.nothing.hidden = rows.length > 0;
      this.tell();
    }

    tell() {
      const all = this.shown.length === this.rows.length;
      const sums = this.columns.flatMap((column, at) => {
        if (!column.sum || column.kind === "count") return [];
        const sum = this.shown.reduce((total, row) => total + (row[at] ?? 0), 0);
        return [column.kind === "money" ? `${FORMATS.money(sum)} ${column.title}` : FORMATS[column.kind](sum)];
      });
      this.status.textContent = [`${all ? "" : `${count(this.shown.length)} of `}${count(this.rows.length)} ${this.nouns[this.rows.length === 1 ? 0 : 1]}`, ...sums].join(" · ");
      const pages = Math.ceil(this.shown.length / ROWS);
      this.pager.hidden = pages < 2;
      const first = this.page * ROWS + 1;
      this.at.textContent = `${count(first)}–${count(Math.min(first + ROWS - 1, this.shown.length))} of ${count(this.shown.length)}`;
      this.back.disabled = this.page === 0;
      this.next.disabled = this.page >= pages - 1;
    }

    // Only this repository's rows.
    only(name, where) {
      this.search.value = name;
      for (const [title, { select, values }] of this.facets) {
        select.value = title === "Where" && values.includes(where) ? values.indexOf(where) : "";
        select.dispatchEvent(new Event("change"));
      }
      this.filter();
      this.tools.hidden = false;
      this.search.focus({ preventScroll: true });
      this.place.closest("section").scrollIntoView({ block: "start" });
    }
  }

  function makeThemeButton() {
    const root = document.documentElement;
    const button = element("button", { type: "button" });
    const asked = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ?? (asked.matches ? "dark" : "light")) === "dark";
    const name = () => (button.textContent = isDark() ? "Light colours" : "Dark colours");
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      name();
    });
    asked.addEventListener("change", name);
    name();
    document.querySelector(".head").append(button);
  }

  const made = new Map();
  for (const place of document.querySelectorAll("[data-table]")) made.set(place.dataset.table, new Table(place, tables[place.dataset.table]));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-show]");
    if (!link || !made.has("images")) return;
    event.preventDefault();
    const cells = link.closest("tr")?.querySelectorAll("td");
    made.get("images").only(link.dataset.show || link.textContent, link.dataset.where ?? cells?.[cells.length - 1].textContent);
  });
  // Nobody can unfold anything on paper.
  const unfolded = new Set();
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".table details:not([open])")) {
      details.open = true;
      unfolded.add(details);
    }
  });
  addEventListener("afterprint", () => {
    for (const details of unfolded) details.open = false;
    unfolded.clear();
  });
  makeThemeButton();
  document.documentElement.classList.add("scripted");
})();
