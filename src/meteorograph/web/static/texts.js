// Texts of scripts in the language of the page: a text is its English one until the page has a translation.
"use strict";

const language = document.documentElement.lang;
const translations = Object.assign({}, ...[...document.querySelectorAll("script.texts")].map((part) => JSON.parse(part.textContent)));
const plurals = new Intl.PluralRules(language);

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function say(text, values = {}) {
  return fill(translations[text] || text, values);
}

// A short text; the context tells apart words that are equal in English only.
function sayIn(context, text) {
  return translations[`${context}\u0004${text}`] || text;
}

// A text that depends on a count: the forms for one and for many.
function sayN(one, many, count, values = {}) {
  const forms = translations[one] || [one, many];
  return fill(forms[plurals.select(count) === "one" ? 0 : forms.length - 1], { count: decimals(count, 0), ...values });
}

// A number as the pages of the server have it: whole ones with separators from 1,000 on, others from 10,000 on.
function decimals(value, places) {
  const rounded = Number(value.toFixed(places)) + 0; // never "-0"
  const grouped = Math.abs(rounded) >= (places ? 10000 : 1000);
  return rounded.toLocaleString(language, { minimumFractionDigits: places, maximumFractionDigits: places, useGrouping: grouped ? "always" : false });
}
