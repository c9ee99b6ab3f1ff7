// The forms that pages have, found by following links, so that a new form is found as well.
import { url } from "./portal.mjs";

/** What can be typed into. Numbers and choices are kept from hostile text by the browser itself; passwords never come back. */
export const TYPED = "input:not([type]), input[type=text], input[type=email], input[type=search], input[type=url], textarea";

const IDS = /[0-9a-f]{8}-[0-9a-f-]{27}/g;
const ELSEWHERE = /^\/(api|live|links|pkg)\/|\/download$/;

/** The address with every id as `{id}`. */
export const pattern = (pathname) => pathname.replaceAll(IDS, "{id}");

/** The forms of the page that have something to type into. */
export async function forms(page) {
  return page.locator("form").evaluateAll(
    (all, typed) =>
      all
        .map((form, at) => ({
          at,
          method: form.method,
          fields: [...form.querySelectorAll(typed)].map((field) => field.name),
          button: (form.querySelector("button.primary") ?? form.querySelector("button:not([type=button])"))?.textContent.trim() ?? "",
        }))
        .filter((form) => form.fields.length > 0),
    TYPED,
  );
}

/** A form's name among all: where it is, what its main button says, what can be typed. */
export const named = (where, form) => `${where} “${form.button}” ${form.fields.join(" ")}`;

/** Follows every link from `begin`, one page of each kind, the first of each kind that is met. Gives the addresses by kind. */
export async function crawl(page, begin) {
  const queue = [...begin];
  const met = new Map();
  while (queue.length > 0) {
    const address = queue.shift();
    const kind = pattern(address);
    if (met.has(kind)) continue;
    met.set(kind, address);
    const response = await page.goto(address);
    if (response.status() !== 200) throw new Error(`${address}, which a page links to, is answered with ${response.status()}`);
    const links = await page.locator("a[href]").evaluateAll((all) => all.map((a) => a.href));
    for (const link of links) {
      const to = new URL(link);
      if (to.origin === url && !ELSEWHERE.test(to.pathname)) queue.push(to.pathname);
    }
  }
  return met;
}
