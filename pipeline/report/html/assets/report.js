// Draws the charts in the page's colours, switches the scheme, sorts tables. Without it every
// figure still stands in a table.
(function () {
  "use strict";
  var root = document.documentElement;
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var PRINT_WIDTH = 690;
  var printing = false;

  function colours(value, style) {
    if (typeof value === "string" && value.slice(0, 4) === "var(") {
      return style.getPropertyValue(value.slice(4, -1)).trim();
    }
    if (Array.isArray(value)) {
      return value.map(function (item) { return colours(item, style); });
    }
    if (value && typeof value === "object") {
      var copy = {};
      Object.keys(value).forEach(function (key) { copy[key] = colours(value[key], style); });
      return copy;
    }
    return value;
  }

  // What all charts share.
  function layout(own, style, width) {
    var ink = style.getPropertyValue("--ink").trim();
    var line = style.getPropertyValue("--line").trim();
    var page = style.getPropertyValue("--page").trim();
    var narrow = width < 560;
    var result = Object.assign({
      margin: { t: 24, r: 16, b: 44, l: narrow ? 44 : 60 },
      dragmode: false
    }, own);
    result.width = width;
    result.autosize = false;
    result.paper_bgcolor = "rgba(0,0,0,0)";
    result.plot_bgcolor = "rgba(0,0,0,0)";
    result.font = { family: style.getPropertyValue("--sans").trim(), size: narrow ? 11 : 12, color: ink };
    result.hoverlabel = { bgcolor: page, bordercolor: ink, font: { color: ink }, align: "left" };
    Object.keys(result).forEach(function (key) {
      if (/^[xy]axis/.test(key)) {
        result[key] = Object.assign(
          { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, fixedrange: true },
          result[key]
        );
        if (result[key].title && key[0] === "y") { result[key].title.standoff = 10; }
      }
    });
    return result;
  }

  function draw() {
    if (!window.Plotly) { return; }
    var style = getComputedStyle(root);
    document.querySelectorAll("script.plot-spec").forEach(function (script) {
      var place = document.getElementById(script.dataset.for);
      var spec = colours(JSON.parse(script.textContent), style);
      var width = Math.floor(place.clientWidth);
      if (printing) {
        width = place.closest(".charts") ? PRINT_WIDTH / 2 - 12 : PRINT_WIDTH;
      }
      window.Plotly.react(place, spec.data, layout(spec.layout, style, width), {
        displayModeBar: false, responsive: false, showTips: false
      });
    });
  }

  // Paper is white, and has its own width.
  var chosen = null;
  function print(on) {
    if (on === printing) { return; }
    printing = on;
    if (on) {
      chosen = root.dataset.theme;
      root.dataset.theme = "light";
    } else if (chosen) {
      root.dataset.theme = chosen;
    } else {
      delete root.dataset.theme;
    }
    draw();
  }

  var THEMES = ["system", "light", "dark"];
  function switchTheme(name) {
    if (name === "system") { delete root.dataset.theme; } else { root.dataset.theme = name; }
    document.getElementById("theme").textContent = "Theme: " + name;
    draw();
  }

  function sortable(table) {
    var body = table.tBodies[0];
    var column = 0;
    Array.from(table.tHead.rows[0].cells).forEach(function (head) {
      column += head.colSpan;
      var index = column - 1;
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") === "descending";
        Array.from(table.tHead.rows[0].cells).forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.from(body.rows);
        rows.sort(function (a, b) {
          var order = compare(key(a.cells[index]), key(b.cells[index]));
          return up ? order : -order;
        });
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
  }

  function key(cell) {
    var text = cell.textContent.trim();
    var number = parseFloat(text.replace(/,/g, ""));
    return isNaN(number) ? text : number;
  }

  function compare(a, b) {
    if (typeof a === typeof b) { return a < b ? -1 : a > b ? 1 : 0; }
    return typeof a === "number" ? 1 : -1;
  }

  var button = document.getElementById("theme");
  if (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var now = THEMES.indexOf(root.dataset.theme || "system");
      switchTheme(THEMES[(now + 1) % THEMES.length]);
    });
  }
  document.querySelectorAll("table.sortable").forEach(sortable);
  var waiting = 0;
  var width = window.innerWidth;
  window.addEventListener("resize", function () {
    if (printing || window.innerWidth === width) { return; }
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(draw, 120);
  });
  window.addEventListener("beforeprint", function () { print(true); });
  window.addEventListener("afterprint", function () { print(false); });
  dark.addEventListener("change", draw);
  draw();
})();
