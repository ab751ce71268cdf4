"use strict";
// Finds samples by their ids, and marks the task that stands alone. Without it the page is whole, but for the search.
const MOST = 50;
const index = JSON.parse(document.getElementById("index").textContent);
const field = document.getElementById("find");
const found = document.getElementById("found");
const matches = document.getElementById("matches");
const samples = index.tasks.flatMap(task => task.ids.map((id, place) => ({ id, place, task, folded: id.toLowerCase() })));

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text; // what strangers wrote stays text
  made.append(...children);
  return made;
}

function side(title, texts) {
  const made = element("div", null, element("h5", title));
  made.className = "side";
  if (texts.length === 0) made.append(element("p", "none"));
  for (const text of texts) made.append(element("p", text));
  return made;
}

function card({ id, place, task }) {
  const score = element("span", `${task.title} `, element("b", task.scores[place].toFixed(4)));
  const head = element("div", null, element("code", id), score);
  head.className = "head";
  const made = element("div", null, head);
  made.className = "card";
  const texts = task.texts[place];
  if (texts) ["Question", "Answer", "References"].forEach((title, number) => made.append(side(title, texts[number])));
  else made.append(element("p", "Its texts are not in this file, lest it become too large."));
  for (const number of task.notes[place] ?? []) {
    const note = element("p", task.kinds[number]);
    note.className = "warn";
    made.append(note);
  }
  const anchor = task.cards[place];
  if (anchor) {
    const link = element("a", "Whole, with its pictures");
    link.href = `#${anchor}`;
    made.append(link);
  }
  return made;
}

function search() {
  const wanted = field.value.trim().toLowerCase();
  const hits = wanted === "" ? [] : samples.filter(sample => sample.folded.includes(wanted));
  const rank = sample => (sample.folded === wanted ? 0 : sample.folded.startsWith(wanted) ? 1 : 2);
  hits.sort((one, other) => rank(one) - rank(other)); // otherwise in the order of the file
  found.replaceChildren(...hits.slice(0, MOST).map(card));
  const all = `${hits.length} of ${samples.length} samples`;
  matches.textContent = wanted === "" ? `${samples.length} samples` : hits.length > MOST ? `${all}, the first ${MOST} shown` : all;
}

function mark() {
  const links = [...document.querySelectorAll(".tasks-nav a")];
  const here = links.find(link => link.hash === location.hash && link.hash !== "#samples") ?? links[0];
  for (const link of links) link.removeAttribute("aria-current");
  here.setAttribute("aria-current", "true");
}

field.addEventListener("input", search);
addEventListener("hashchange", mark);
document.getElementById("search").hidden = false;
search();
mark();
