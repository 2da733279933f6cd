// Filters the list while its filter is typed; the address keeps what is shown. Without this script, the button does it.
"use strict";

const filter = document.querySelector("form.filter");
let waiting = 0;

function apply() {
  const address = new URL(location.href);
  for (const [name, value] of new FormData(filter)) {
    if (value && value !== "all" && value !== "attention") address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  address.searchParams.delete("cursor");
  if (address.href === location.href) return;
  history.replaceState(null, "", address);
  document.dispatchEvent(new Event("changed"));
}

filter.querySelector("[type=submit]").hidden = true;
filter.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(apply, 200);
});
filter.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  apply();
});
