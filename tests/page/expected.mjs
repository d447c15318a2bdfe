// What a report's JSON says that its page has to show, worked out without the page's own code.

/** All repositories with their account and region. */
export function repositories(report) {
  return report.accounts.flatMap((account) =>
    Object.entries(account.ecr).flatMap(([region, there]) => there.repositories.map((repository) => ({ account, region, ...repository }))),
  );
}

/** All images with their repository's name. */
export const images = (report) => repositories(report).flatMap(({ repositoryName, images }) => images.map((image) => ({ repositoryName, ...image })));

/** The rows of the table of functions and services: each with a name, an address and a state. */
export function runners(report) {
  return report.accounts.flatMap((account) => [
    ...Object.values(account.lambda).flat().map(({ FunctionName, version, ImageUri, image }) => ({ name: version === "$LATEST" ? FunctionName : `${FunctionName}:${version}`, uri: ImageUri, state: image.state })),
    ...Object.values(account.ecs).flat().flatMap((service) => service.containers.map(({ ImageUri, image }) => ({ name: `${service.cluster}/${service.service}`, uri: ImageUri, state: image.state }))),
  ]);
}

/** How many rows each table has. */
export function rowCounts(report) {
  const used = repositories(report).filter(({ use }) => use === "used").length;
  return {
    runs: used,
    unused: repositories(report).length - used,
    candidates: report.candidates.length,
    changes: report.changes?.repositories.length ?? 0,
    coverage: report.coverage.images.length,
    images: images(report).length,
    functions: runners(report).length,
  };
}

/** Three digits in powers of ten: 1234567 is "1.23 MB". */
export function size(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3 + 1e-9), 5);
  const text = power === 0 ? String(bytes) : (bytes / 1000 ** power).toPrecision(3);
  return text.startsWith("1.00e+3") ? size(1000 ** (power + 1)) : `${text} ${["B", "kB", "MB", "GB", "TB", "PB"][power]}`;
}

export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

export const money = (amount) => amount.toFixed(2).replace(/\B(?=(\d{3})+\.)/g, ",");

/** The number of the totals that a `data-total` names, as the page writes it. */
export function total(report, path) {
  if (path === "failures") return count(report.failures.length);
  const value = path.split(".").reduce((inner, key) => inner[key], report.totals);
  if (path.endsWith("bytes")) return size(value);
  return path === "cost_per_month" ? `${money(value)} ${report.settings.currency}` : count(value);
}

export const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

/** The images that have all these words in what the page shows of them as text, by a plain search of the JSON. */
export function imagesWith(report, word) {
  return images(report).filter(({ repositoryName, tags, digest }) => [repositoryName, digest, ...tags].some((text) => text.toLowerCase().includes(word)));
}

/** How many images were pushed in each month of the report's zone, by names such as 2026-11. */
export function pushesByMonth(report) {
  const zoned = new Intl.DateTimeFormat("sv-SE", { timeZone: report.settings.time_zone, year: "numeric", month: "2-digit" });
  const months = {};
  for (const { imagePushedAt } of images(report)) {
    const month = zoned.format(new Date(imagePushedAt));
    months[month] = (months[month] ?? 0) + 1;
  }
  return months;
}

/** How many images have ages, in days, between these bounds, the last of them having none. */
export function ages(report, bounds) {
  const days = images(report).map(({ imagePushedAt }) => (Date.parse(report.generated_at) - Date.parse(imagePushedAt)) / 86_400_000);
  return [...bounds, Infinity].map((bound, at) => days.filter((age) => age <= bound && age > (at ? bounds[at - 1] : -1)).length);
}
