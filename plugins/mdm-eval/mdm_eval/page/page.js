"use strict";
(() => {
  const tip = document.getElementById("tip");

  const show = (mark) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const at = mark.getBoundingClientRect(), size = tip.getBoundingClientRect();
    const wide = document.documentElement.clientWidth;
    const left = Math.max(4, Math.min(at.left + at.width / 2 - size.width / 2, wide - size.width - 4));
    const above = at.top - size.height - 6;
    tip.style.left = `${left + window.scrollX}px`;
    tip.style.top = `${(above > 0 ? above : at.bottom + 6) + window.scrollY}px`;
  };
  const hide = () => { tip.hidden = true; };

  for (const chart of document.querySelectorAll("svg.chart")) {
    const marks = [...chart.querySelectorAll(".hit")];
    marks.forEach((mark, n) => mark.setAttribute("tabindex", n ? "-1" : "0"));
    const go = (n) => {
      const to = marks[Math.max(0, Math.min(n, marks.length - 1))];
      marks.forEach((mark) => mark.setAttribute("tabindex", mark === to ? "0" : "-1"));
      to.focus();
    };
    chart.addEventListener("pointerover", (event) => {
      if (event.target.dataset.tip) show(event.target);
    });
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("focusin", (event) => show(event.target));
    chart.addEventListener("focusout", hide);
    chart.addEventListener("keydown", (event) => {
      const here = marks.indexOf(document.activeElement);
      const to = {
        ArrowRight: here + 1, ArrowDown: here + 1, ArrowLeft: here - 1, ArrowUp: here - 1, Home: 0, End: marks.length - 1,
      }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined || here < 0) return;
      event.preventDefault();
      go(to);
    });
  }

  // A frame is a stop of the tab key only where something in it is out of sight.
  const fit = () => {
    for (const frame of document.querySelectorAll(".scroll")) {
      const hides = frame.scrollWidth > frame.clientWidth || frame.scrollHeight > frame.clientHeight;
      frame.tabIndex = hides ? 0 : -1;
    }
  };
  window.addEventListener("resize", fit);
  document.addEventListener("toggle", fit, true);
  fit();

  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("section > details")) folded.open = true;
  });

  const table = document.getElementById("flips-table");
  if (!table) return;
  const [kind, outcome, text, count] = ["kind", "outcome", "text", "count"].map((name) => document.getElementById(`flip-${name}`));
  const rows = [...table.tBodies[0].rows];
  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = (!kind.value || row.cells[3].textContent === kind.value)
        && (!outcome.value || row.cells[4].textContent === outcome.value)
        && (!wanted || row.textContent.toLowerCase().includes(wanted));
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} shown`;
  };
  kind.form.hidden = false;
  kind.form.addEventListener("submit", (event) => event.preventDefault());
  for (const field of [kind, outcome, text]) field.addEventListener("input", filter);
  filter();
})();
