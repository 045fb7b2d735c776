// The script of the page: makes the form, sends it, shows what comes. Texts from the model and from
// users are put in as text, never as markup.

extension WebPage {
    static let scriptText = #"""
        "use strict";
        const byId = (id) => document.getElementById(id);
        let model = null;
        let token = "";
        try { token = sessionStorage.getItem("token") || ""; } catch { /* Without storage. */ }

        function element(name, text, className) {
          const made = document.createElement(name);
          if (text !== undefined) made.textContent = text;
          if (className) made.className = className;
          return made;
        }

        async function ask(path, options = {}) {
          const headers = { ...(options.headers || {}) };
          if (token) headers.Authorization = "Bearer " + token;
          const answer = await fetch(path, { ...options, headers });
          if (answer.ok) return answer;
          let told = { error: "The predictor answers " + answer.status + "." };
          try { told = await answer.json(); } catch { /* No JSON came. */ }
          const problem = new Error(told.error);
          problem.status = answer.status;
          problem.told = told;
          throw problem;
        }

        const post = (path, value) => ask(path, {
          method: "POST", headers: { "Content-Type": "application/json" },
          body: JSON.stringify(value) });

        function short(number) {
          if (number === 0 || !Number.isFinite(number)) return String(number);
          const size = Math.abs(number);
          if (size >= 1e7 || size < 1e-4) return number.toExponential(4);
          return String(Number(number.toPrecision(6)));
        }

        function size(bytes) {
          const units = ["B", "KiB", "MiB", "GiB"];
          let unit = 0;
          while (bytes >= 1024 && unit < 3) { bytes /= 1024; unit += 1; }
          return (unit ? bytes.toFixed(1) : bytes) + " " + units[unit];
        }

        function control(field, id) {
          let made;
          if (field.kind === "category") {
            made = element("select");
            if (field.optional) made.append(new Option("", ""));
            for (const word of field.categories) made.append(new Option(word, word));
          } else if (field.kind === "text") {
            made = element("textarea");
            made.rows = 3;
          } else {
            made = element("input");
            made.type = "number";
            made.step = field.kind === "integer" ? "1" : "any";
            if (field.min !== undefined) { made.min = field.min; made.max = field.max; }
            made.inputMode = "decimal";
          }
          made.id = id;
          made.required = !field.optional;
          return made;
        }

        function hint(field) {
          const parts = [];
          if (field.unit) parts.push(field.unit);
          if (field.min !== undefined) parts.push(short(field.min) + " to " + short(field.max));
          if (field.optional) parts.push("may be empty");
          return parts.join(", ");
        }

        function makeForm() {
          const fields = byId("fields");
          fields.replaceChildren();
          model.inputs.forEach((field, index) => {
            const box = element("div", undefined, field.kind === "text" ? "wide" : "");
            const label = element("label", field.label || field.name);
            label.htmlFor = "field-" + index;
            if (hint(field)) label.append(" ", element("span", hint(field), "quiet"));
            box.append(label, control(field, "field-" + index));
            fields.append(box);
          });
          byId("columns").textContent = model.inputs.map((field) => field.name).join(",");
          byId("compare-card").hidden = model.task !== "embedding";
        }

        function row() {
          const values = {};
          model.inputs.forEach((field, index) => {
            const text = byId("field-" + index).value;
            if (text === "") return;
            const isWord = field.kind === "text" || field.kind === "category";
            values[field.name] = isWord ? text : Number(text);
          });
          return values;
        }

        function mark(problem) {
          const told = problem && problem.told;
          const places = told ? (told.problems || [told]).map((each) => each.field || "") : [];
          let first = null;
          model.inputs.forEach((field, index) => {
            const made = byId("field-" + index);
            const isWrong = places.some((place) => place.endsWith("." + field.name));
            if (isWrong) made.setAttribute("aria-invalid", "true");
            else made.removeAttribute("aria-invalid");
            if (isWrong && !first) first = made;
          });
          if (first) first.focus();
          if (!told) return problem ? problem.message : "";
          return (told.problems
            ? told.problems.map((each) => each.field + ": " + each.problem).join("\n")
            : told.error).replaceAll("inputs.", "");
        }

        function bar(label, share, shown) {
          const line = element("div", undefined, "bar");
          const progress = element("progress");
          progress.max = 1;
          progress.value = Math.max(0, share);
          progress.setAttribute("aria-label", label);
          line.append(progress, element("span", label), element("span", shown));
          return line;
        }

        function show(prediction, place) {
          place.replaceChildren();
          if (prediction.embedding) {
            const vector = prediction.embedding;
            const length = Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0));
            const value = element("p", vector.length + " numbers ", "value");
            value.append(element("small", "of length " + short(length)));
            place.append(value, element("pre", vector.map(short).join(", ")));
          } else if (prediction.labels) {
            const value = element("p", prediction.label + " ", "value");
            value.append(element("small", (100 * prediction.probability).toFixed(1) + " %"));
            place.append(value);
            for (const each of prediction.labels) place.append(bar(
              each.label, each.probability, (100 * each.probability).toFixed(1) + " %"));
          } else {
            for (const each of prediction.values) {
              if (prediction.values.length > 1) place.append(element("p", each.name, "quiet"));
              const value = element("p", short(each.value) + " ", "value");
              const more = [];
              if (each.standardDeviation !== undefined) {
                more.push("± " + short(each.standardDeviation));
              }
              if (each.unit) more.push(each.unit);
              value.append(element("small", more.join(" ")));
              place.append(value);
            }
          }
        }

        async function sending(form, problemId, work) {
          const button = form.querySelector("button");
          button.disabled = true;
          byId(problemId).textContent = "";
          try {
            await work();
          } catch (problem) {
            if (problem.status === 401) return access(problem.message);
            byId(problemId).textContent = problemId === "problem" ? mark(problem) : problem.message;
          } finally {
            button.disabled = false;
          }
        }

        byId("form").addEventListener("submit", (event) => {
          event.preventDefault();
          sending(event.target, "problem", async () => {
            const answer = await (await post("predict", { inputs: row() })).json();
            mark(null);
            byId("time").textContent = short(answer.milliseconds) + " ms";
            show(answer.prediction, byId("result"));
            await showHistory();
          });
        });

        byId("compare").addEventListener("submit", (event) => {
          event.preventDefault();
          sending(event.target, "compare-problem", async () => {
            const candidates = byId("candidates").value.split("\n").filter((line) => line.trim());
            const answer = await (await post("nearest", {
              query: byId("query").value, candidates, count: candidates.length })).json();
            byId("nearest").replaceChildren(...answer.nearest.map(
              (each) => bar(each.text, each.similarity, each.similarity.toFixed(3))));
            await showHistory();
          });
        });

        byId("batch").addEventListener("submit", (event) => {
          event.preventDefault();
          sending(event.target, "batch-problem", async () => {
            const file = byId("file").files[0];
            const answer = await ask("predict/batch?keep=*", {
              method: "POST", headers: { "Content-Type": "text/csv" }, body: file });
            const failed = Number(answer.headers.get("X-Rows-Failed"));
            const rows = Number(answer.headers.get("X-Rows"));
            const text = await answer.text();
            const link = element("a", "Save predictions.csv");
            link.download = "predictions.csv";
            link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
            const told = rows + " rows" + (failed ? ", " + failed + " of them failed" : "") + ". ";
            const line = element("p", told);
            line.append(link);
            const start = text.split("\r\n").slice(0, 8).join("\n");
            byId("table").replaceChildren(line, element("pre", start));
            await showHistory();
          });
        });

        function define(list, name, value) {
          if (value === null || value === undefined || value === "") return;
          list.append(element("dt", name), element("dd", String(value)));
        }

        function showModel() {
          const card = model.card || {};
          byId("name").textContent = model.repo || card.title || model.path;
          document.title = byId("name").textContent;
          byId("architecture").textContent = model.architecture || "";
          byId("summary").textContent = card.summary || "";
          byId("figures").replaceChildren(...(model.metrics || []).map((each) => {
            const box = element("div");
            box.append(element("dt", each.name), element("dd", each.value));
            return box;
          }));
          const facts = byId("facts");
          facts.replaceChildren();
          define(facts, "Task", model.task);
          define(facts, "Revision", model.revision);
          define(facts, "Commit", model.commit);
          define(facts, "License", card.license);
          define(facts, "Parameters", model.parameters && model.parameters.toLocaleString("en"));
          define(facts, "Weights, mapped", size(model.memory.mappedWeightBytes));
          define(facts, "Own memory", size(model.memory.privateBytes || 0));
          define(facts, "Loaded in", model.load && short(model.load.milliseconds) + " ms");
          byId("state").textContent = model.ready ? "ready" : "not ready";
          byId("state").classList.toggle("ready", model.ready);
        }

        async function showHistory() {
          byId("history-card").hidden = !model.history;
          if (!model.history) return;
          const page = await (await ask("history?count=10")).json();
          byId("history").replaceChildren(...page.entries.map((entry) => {
            const line = element("tr");
            line.append(
              element("td", entry.time.replace("T", " ").replace("Z", "")),
              element("td", entry.input.slice(0, 300), "cut"),
              element("td", entry.output.slice(0, 300), "cut"),
              element("td", short(entry.milliseconds)));
            return line;
          }));
        }

        function access(problem) {
          byId("access").hidden = false;
          byId("main").hidden = true;
          byId("state").textContent = "locked";
          byId("access-problem").textContent = token ? problem : "";
          byId("token").focus();
        }

        byId("access").addEventListener("submit", (event) => {
          event.preventDefault();
          token = byId("token").value.trim();
          try { sessionStorage.setItem("token", token); } catch { /* Without storage. */ }
          begin();
        });

        async function begin() {
          try {
            model = await (await ask("model")).json();
          } catch (problem) {
            if (problem.status === 401) return access(problem.message);
            byId("state").textContent = "does not answer";
            return setTimeout(begin, 2000);
          }
          byId("access").hidden = true;
          if (!model.inputs) {
            const loading = model.loading || {};
            byId("state").textContent = "loading: " + (loading.stage || "…");
            return setTimeout(begin, 500);
          }
          byId("main").hidden = false;
          showModel();
          makeForm();
          await showHistory();
        }

        begin();

        """#
}
