"use strict";
// Sorts the table by a column and shows the rows that the filters let through. Without it the table stands as it is.
const table = document.getElementById("board");
const body = table.tBodies[0];
const shown = document.getElementById("shown");
const filters = [...document.querySelectorAll("[data-filter]")];

function sortBy(header) {
  const place = [...header.parentNode.children].indexOf(header);
  const numeric = header.dataset.kind === "number";
  const before = header.getAttribute("aria-sort");
  const first = header.dataset.first || "ascending";
  const turned = { ascending: "descending", descending: "ascending" };
  const order = before ? turned[before] : first;
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const value = row => row.children[place].dataset.value;
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === "" || b === "") return (a === "") - (b === ""); // what is not known stands last, either way
    return sign * (numeric ? a - b : a.localeCompare(b));
  });
  body.append(...rows);
}

function filter() {
  let count = 0;
  for (const row of body.rows) {
    const passes = filters.every(field => {
      const wanted = field.value;
      const has = row.dataset[field.dataset.filter];
      if (field.tagName === "SELECT") return wanted === "" || has === wanted;
      return has.toLowerCase().includes(wanted.trim().toLowerCase());
    });
    row.hidden = !passes;
    count += passes;
  }
  shown.textContent = `${count} of ${body.rows.length} runs`;
}

table.tHead.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (button) sortBy(button.parentNode);
});
for (const field of filters) field.addEventListener("input", filter);
document.getElementById("clear").addEventListener("click", () => {
  for (const field of filters) field.value = "";
  filter();
});
document.getElementById("filters").hidden = false;
filter();
